/* NVIDIA's runtime headers ask for this file of nvcc's, which the wheel of the runtime lacks. */
#define CUDARTAPI
#define __host__
#define __device__
#define __cudart_builtin__
#define __device_builtin__
#define __device_builtin_surface_type__
#define __device_builtin_texture_type__
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __align__(n)
