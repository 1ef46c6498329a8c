/*
 * A null GPU: stands in for cudart, cuBLAS and cuDNN under the real libtorch_cuda.so.
 *
 * Preloaded (LD_PRELOAD) into a program, it answers every CUDA call that a training run makes.
 * Memory is real and starts as zeros, copies are real, kernels are counted and do nothing. So it
 * shows what a program asks of a GPU, how often it waits for it, how much memory it takes, and what
 * becomes of each failure. It cannot show a right number or a speed.
 *
 * libtorch is bound lazily, so only functions that are called have to be here. One that is missing
 * ends the program with "symbol lookup error: ... undefined symbol: NAME".
 *
 * Environment:
 *   NULLGPU_REPORT  file that is written at exit: a line "COUNT NAME" for each function that was
 *                   called, and for "launches", "waits", "peak MiB", "context on cuda:N" and the
 *                   kind of convolutions ("fast convolutions", "exact convolutions")
 *   NULLGPU_COUNT   number of GPUs (1)
 *   NULLGPU_MEMORY  MiB of each GPU (81920); allocations beyond it fail
 *   NULLGPU_FAIL    NAME=STATUS or NAME=STATUS@N, several with commas between: the function NAME
 *                   returns STATUS, from its Nth call on; "all" stands for every function, as
 *                   when a GPU has died
 *   NULLGPU_EARLY   asks libtorch for CUDA before its CUDA library is loaded
 *   NULLGPU_LOSS    makes results plausible: every loss that is read back is this number, and
 *                   confusion counts are mostly right and add up to the images that were scored
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <driver_types.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector_types.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *setting(const char *name, const char *usual) {
    const char *value = getenv(name);
    return value && *value ? value : usual;
}

/* ---- What was called, and how often ---- */

enum { MAX_NAMES = 500 };
static struct { const char *name; long count; } counts[MAX_NAMES];

static long count(const char *name) {
    pthread_mutex_lock(&lock);
    int place = 0;
    while (counts[place].name && strcmp(counts[place].name, name)) place++;
    if (place == MAX_NAMES - 1) abort();
    counts[place].name = name;
    long so_far = ++counts[place].count;
    pthread_mutex_unlock(&lock);
    return so_far;
}

/* The status that NULLGPU_FAIL wants of this call of `name`; 0 is success in every library. */
static int wanted_status(const char *name, long call) {
    size_t length = strlen(name);
    const char *entry = setting("NULLGPU_FAIL", NULL);
    for (; entry; entry = strchr(entry, ',') ? strchr(entry, ',') + 1 : NULL) {
        int status = 0;
        long from = 1;
        if (strncmp(entry, name, length) == 0 && entry[length] == '=' &&
            sscanf(entry + length + 1, "%d@%ld", &status, &from) >= 1 && call >= from)
            return status;
    }
    return 0;
}

/* cudart keeps the last failure of a thread until it is asked for. */
static __thread int last_error;

static int status_of_call(const char *name) {
    static atomic_long calls;
    int status = wanted_status(name, count(name));
    if (!status) status = wanted_status("all", ++calls);
    if (status && strstr(name, "cuda")) last_error = status;
    return status;
}

/* Begins each function: counts its call, and fails if it is to. */
#define CALLED()                                \
    do {                                        \
        int status = status_of_call(__func__);  \
        if (status) return status;              \
    } while (0)

/* A function that does nothing but succeed. */
#define SUCCEEDS(name) int name(void) { return status_of_call(#name); }

static size_t allocated, peak;

static void write_report(void) {
    const char *path = setting("NULLGPU_REPORT", NULL);
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    for (int place = 0; counts[place].name; place++)
        fprintf(file, "%ld %s\n", counts[place].count, counts[place].name);
    fprintf(file, "%zu peak MiB\n", peak >> 20);
    fclose(file);
}

/* The program ends by _exit, which calls no destructors. */
void _exit(int status) {
    write_report();
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

/* ---- cudart: devices ---- */

static __thread int current, has_context;

static int device_count(void) { return atoi(setting("NULLGPU_COUNT", "1")); }
static size_t memory_size(void) { return strtoul(setting("NULLGPU_MEMORY", "81920"), NULL, 10) << 20; }

/* Each use of a GPU makes a context on it, which takes some hundred MiB of a real one. */
static void use_context(void) {
    static const char *names[] = {"context on cuda:0", "context on cuda:1", "context on cuda:2",
                                  "context on cuda:3"};
    count(names[current % 4]);
    has_context = 1;
}

int cudaGetDeviceCount(int *number) { *number = 0; CALLED(); *number = device_count(); return 0; }
int cudaGetDevice(int *device) { CALLED(); *device = current; return 0; }
int cudaRuntimeGetVersion(int *version) { CALLED(); *version = 13000; return 0; }

int cudaDriverGetVersion(int *version) {
    void (*ask_for_cuda)(void) = dlsym(RTLD_DEFAULT, "_ZN2at6detail12getCUDAHooksEv");
    CALLED();
    if (setting("NULLGPU_EARLY", NULL) && ask_for_cuda) ask_for_cuda();
    *version = 13000;
    return 0;
}

int cudaSetDevice(int device) {
    CALLED();
    if (device >= device_count()) return cudaErrorInvalidDevice;
    current = device;
    use_context();
    return 0;
}

int cudaGetDeviceProperties(struct cudaDeviceProp *gpu, int device) {
    CALLED();
    (void)device;
    memset(gpu, 0, sizeof *gpu);
    strcpy(gpu->name, "Null GPU");
    gpu->totalGlobalMem = memory_size();
    gpu->major = 9;
    gpu->multiProcessorCount = 132;
    gpu->warpSize = 32;
    gpu->maxThreadsPerBlock = 1024;
    gpu->maxThreadsPerMultiProcessor = 2048;
    gpu->maxBlocksPerMultiProcessor = 32;
    gpu->maxThreadsDim[0] = gpu->maxThreadsDim[1] = 1024;
    gpu->maxThreadsDim[2] = 64;
    gpu->maxGridSize[0] = 2147483647;
    gpu->maxGridSize[1] = gpu->maxGridSize[2] = 65535;
    gpu->sharedMemPerBlock = 48 << 10;
    gpu->sharedMemPerBlockOptin = 227 << 10;
    gpu->sharedMemPerMultiprocessor = 228 << 10;
    gpu->regsPerBlock = gpu->regsPerMultiprocessor = 65536;
    gpu->textureAlignment = 512;
    gpu->l2CacheSize = 50 << 20;
    return 0;
}

int cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
    struct cudaDeviceProp gpu;
    CALLED();
    int status = cudaGetDeviceProperties(&gpu, device);
    *value = attribute == cudaDevAttrComputeCapabilityMajor ? gpu.major
           : attribute == cudaDevAttrMultiProcessorCount    ? gpu.multiProcessorCount
           : attribute == cudaDevAttrMaxThreadsPerBlock     ? gpu.maxThreadsPerBlock
                                                            : 0;
    return status;
}

int cudaGetLastError(void) {
    int error = last_error;
    count("cudaGetLastError");
    last_error = 0;
    return error;
}

int cudaPeekAtLastError(void) { return last_error; }

/* ---- cudart: memory ---- */

enum { PAGE = 4096 };

/* A page before the memory remembers its size. Nothing is taken from the host until it is used. */
int cudaMalloc(void **memory, size_t size) {
    CALLED();
    use_context();
    pthread_mutex_lock(&lock);
    int fits = allocated + size <= memory_size();
    if (fits) allocated += size;
    if (allocated > peak) peak = allocated;
    pthread_mutex_unlock(&lock);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *start = fits ? mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) : MAP_FAILED;
    if (start == MAP_FAILED) return last_error = cudaErrorMemoryAllocation;
    *(size_t *)start = size;
    *memory = start + PAGE;
    return 0;
}

int cudaFree(void *memory) {
    CALLED();
    if (!memory) return 0;
    char *start = (char *)memory - PAGE;
    size_t size = *(size_t *)start;
    pthread_mutex_lock(&lock);
    allocated -= size;
    pthread_mutex_unlock(&lock);
    munmap(start, size + PAGE);
    return 0;
}

int cudaMemGetInfo(size_t *available, size_t *total) {
    CALLED();
    *total = memory_size();
    *available = *total - allocated;
    return 0;
}

/* Pinned memory of the host: it is never given back, so a few places do. */
static struct { char *start, *end; } pinned[64];

int cudaHostAlloc(void **memory, size_t size, unsigned flags) {
    CALLED();
    (void)flags;
    char *start = calloc(1, size);
    pthread_mutex_lock(&lock);
    int place = 0;
    while (pinned[place].start) place++;
    if (place == 63) abort();
    pinned[place].start = start;
    pinned[place].end = start + size;
    pthread_mutex_unlock(&lock);
    *memory = start;
    return 0;
}

static int is_pinned(const char *memory) {
    for (int place = 0; pinned[place].start; place++)
        if (memory >= pinned[place].start && memory < pinned[place].end) return 1;
    return 0;
}

int cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *memory) {
    CALLED();
    memset(attributes, 0, sizeof *attributes);
    attributes->type = is_pinned(memory) ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
    return 0;
}

/* ---- Plausible results ---- */

/* Images that this thread, which makes a run of its own, counted since it last read counts. */
static __thread long scored;

/*
 * Puts plausible numbers into what is read back. They are told apart by their size, so the logits of
 * 20, 40, ... 640 images would be taken for counts.
 */
static void answer(void *host, size_t size) {
    const char *loss = setting("NULLGPU_LOSS", NULL);
    size_t steps = size / 800;
    if (!loss) return;
    if (size % 8 == 0 && size <= 256) {
        /* Loss and largest weight of up to 32 steps, f32. */
        for (size_t number = 0; number < size / 4; number++) ((float *)host)[number] = strtof(loss, NULL);
    } else if (size % 800 == 0 && steps <= 32) {
        /* Confusion counts of up to 32 steps, 10x10 i64: right but for what ten do not divide. */
        long images = scored / (long)steps;
        memset(host, 0, size);
        for (size_t step = 0; step < steps; step++) {
            int64_t *matrix = (int64_t *)host + 100 * step;
            for (int class = 0; class < 10; class++) matrix[11 * class] = images / 10;
            matrix[1] = images % 10;
        }
        scored = 0;
    }
}

static void copy(void *to, const void *from, size_t size, enum cudaMemcpyKind kind) {
    static const char *names[] = {"copies on the host", "copies to the GPU", "copies to the host",
                                  "copies on the GPU", "copies"};
    use_context();
    count(names[kind]);
    memcpy(to, from, size);
    if (kind == cudaMemcpyDeviceToHost) answer(to, size);
}

int cudaMemcpyAsync(void *to, const void *from, size_t size, enum cudaMemcpyKind kind, void *stream) {
    CALLED();
    (void)stream;
    /* From ordinary memory no more than 64 KB are copied without waiting for the kernels before. */
    if (kind == cudaMemcpyHostToDevice && size > 64 << 10 && !is_pinned(from)) count("waits");
    copy(to, from, size, kind);
    return 0;
}

int cudaMemcpy(void *to, const void *from, size_t size, enum cudaMemcpyKind kind) {
    CALLED();
    count("waits");
    copy(to, from, size, kind);
    return 0;
}

int cudaMemsetAsync(void *memory, int value, size_t size, void *stream) {
    CALLED();
    (void)stream;
    use_context();
    count("launches");
    memset(memory, value, size);
    return 0;
}

/* ---- cudart: streams and events ---- */

static int wait_for_gpu(const char *name) {
    count("waits");
    return status_of_call(name);
}

int cudaStreamSynchronize(void *stream) { (void)stream; return wait_for_gpu(__func__); }
int cudaEventSynchronize(void *event) { (void)event; return wait_for_gpu(__func__); }
int cudaDeviceSynchronize(void) { return wait_for_gpu(__func__); }

static void *new_handle(void) { return calloc(1, 64); }

int cudaEventCreateWithFlags(void **event, unsigned flags) { CALLED(); (void)flags; *event = new_handle(); return 0; }
int cudaStreamIsCapturing(void *stream, int *answer) { CALLED(); (void)stream; *answer = 0; return 0; }
int cudaDeviceGetStreamPriorityRange(int *least, int *most) { CALLED(); *least = 0; *most = -5; return 0; }
int cudaStreamCreateWithPriority(void **stream, unsigned flags, int priority) {
    CALLED();
    (void)flags, (void)priority;
    *stream = new_handle();
    return 0;
}
SUCCEEDS(cudaEventRecord)
SUCCEEDS(cudaEventRecordWithFlags)
SUCCEEDS(cudaEventQuery)
SUCCEEDS(cudaEventDestroy)
SUCCEEDS(cudaStreamQuery)
SUCCEEDS(cudaStreamWaitEvent)
SUCCEEDS(cudaThreadExchangeStreamCaptureMode)

/* ---- The driver, which libtorch asks for contexts ---- */

int cuCtxGetCurrent(void **context) { CALLED(); *context = has_context ? &current : NULL; return 0; }

int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    CALLED();
    *flags = 0;
    *active = device == current;
    return 0;
}

/* ---- cudart: kernels ---- */

/* Kernels that count by adding ones at indices. Their first argument is the number of ones. */
static const void *counting[64];

void __cudaRegisterFunction(void **binary, const void *function, char *device_name, const char *name) {
    (void)binary, (void)device_name;
    if (!strstr(name, "_scatter_gather_elementwise_kernel") || !strstr(name, "ReduceAdd")) return;
    int place = 0;
    while (counting[place]) place++;
    if (place == 63) abort();
    counting[place] = function;
}

void **__cudaRegisterFatBinary(void *binary) { static void *handle; (void)binary; return &handle; }
void __cudaRegisterFatBinaryEnd(void **binary) { (void)binary; }
void __cudaUnregisterFatBinary(void **binary) { (void)binary; }
void __cudaRegisterVar(void) {}

static void launch(const void *function, void **arguments) {
    use_context();
    count("launches");
    for (int place = 0; counting[place]; place++)
        if (counting[place] == function) scored += *(int *)arguments[0];
}

int cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments, size_t shared,
                     void *stream) {
    CALLED();
    (void)grid, (void)block, (void)shared, (void)stream;
    launch(function, arguments);
    return 0;
}

int cudaLaunchKernelExC(const void *config, const void *function, void **arguments) {
    CALLED();
    (void)config;
    launch(function, arguments);
    return 0;
}

/* <<<grid, block>>> pushes its arguments and pops them before it launches. */
int __cudaPushCallConfiguration(void) { return 0; }
int __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void **stream) {
    *grid = *block = (dim3){1, 1, 1};
    *shared = 0;
    *stream = NULL;
    return 0;
}
int __cudaGetKernel(void **kernel, const void *function) { *kernel = (void *)function; return 0; }
int __cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **arguments, size_t shared,
                       void *stream) {
    return cudaLaunchKernel(kernel, grid, block, arguments, shared, stream);
}

int cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, const void *function) {
    CALLED();
    (void)function;
    memset(attributes, 0, sizeof *attributes);
    attributes->maxThreadsPerBlock = 1024;
    attributes->numRegs = 32;
    attributes->binaryVersion = attributes->ptxVersion = 90;
    return 0;
}

int cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *function, int size, size_t shared) {
    CALLED();
    (void)function, (void)size, (void)shared;
    *blocks = 8;
    return 0;
}

/* ---- cuBLAS ---- */

int cublasCreate_v2(void **handle) { CALLED(); *handle = new_handle(); return 0; }
int cublasGetMathMode(void *handle, int *mode) { CALLED(); (void)handle; *mode = 0; return 0; }
size_t cublasLtGetVersion(void) { return 130101; }
int cublasLtMatmulDescCreate(void **it, int compute, int scale) { CALLED(); (void)compute, (void)scale; *it = new_handle(); return 0; }
int cublasLtMatmulPreferenceCreate(void **it) { CALLED(); *it = new_handle(); return 0; }
int cublasLtMatrixLayoutCreate(void **it) { CALLED(); *it = new_handle(); return 0; }
int cublasLtMatmulAlgoGetHeuristic(void *handle, void *operation, void *a, void *b, void *c, void *d,
                                   void *preference, int wanted, void *results, int *found) {
    CALLED();
    (void)handle, (void)operation, (void)a, (void)b, (void)c, (void)d, (void)preference, (void)wanted;
    memset(results, 0, 96); /* one algorithm that needs no memory */
    *found = 1;
    return 0;
}
#define MULTIPLIES(name) int name(void) { count("launches"); return status_of_call(#name); }
MULTIPLIES(cublasLtMatmul)
MULTIPLIES(cublasSgemm_v2)
MULTIPLIES(cublasSgemv_v2)
MULTIPLIES(cublasSgemmStridedBatched)
SUCCEEDS(cublasDestroy_v2)
SUCCEEDS(cublasSetMathMode)
SUCCEEDS(cublasSetStream_v2)
SUCCEEDS(cublasSetWorkspace_v2)
SUCCEEDS(cublasSetPointerMode_v2)
SUCCEEDS(cublasLtMatmulDescDestroy)
SUCCEEDS(cublasLtMatmulDescSetAttribute)
SUCCEEDS(cublasLtMatmulPreferenceDestroy)
SUCCEEDS(cublasLtMatmulPreferenceSetAttribute)
SUCCEEDS(cublasLtMatrixLayoutDestroy)
SUCCEEDS(cublasLtMatrixLayoutSetAttribute)

/* ---- cuDNN ---- */

/*
 * libtorch describes a convolution by a graph of descriptors, asks for engines that can do it,
 * leaves out those whose notes it must not have, and makes a plan of the first. This cuDNN offers
 * two: a fast engine (tensor cores on rounded inputs, sums in any order) and an exact one.
 */
struct descriptor { int type, is_exact; };

enum { ENGINE = 2, PLAN = 5 };                                              /* types of descriptors */
enum { HEURISTIC_RESULTS = 202, CONFIG_ENGINE = 300, PLAN_MEMORY = 402, ENGINE_NOTES = 1303 }; /* attributes */
enum { TYPE_DESCRIPTOR = 15 };                                              /* types of attributes */
enum { TENSOR_CORE = 0, DOWN_CONVERT_INPUTS = 1, NONDETERMINISTIC = 4 };    /* notes */

/* As the real one does: the parts are looked for by name, in LD_LIBRARY_PATH first. */
int cudnnCreate(void **handle) {
    CALLED();
    dlopen("libcudnn_graph.so.9", RTLD_LAZY);
    dlopen("libcudnn_ops.so.9", RTLD_LAZY);
    *handle = new_handle();
    return 0;
}
SUCCEEDS(cudnnSetStream)
size_t cudnnGetVersion(void) { return 92000; }
size_t cudnnGetCudartVersion(void) { return 13000; }
const char *cudnnGetErrorString(int status) { (void)status; return "CUDNN_STATUS_NULL_GPU"; }
void cudnnGetLastErrorString(char *text, size_t size) { if (size) *text = 0; }

int cudnnBackendCreateDescriptor(int type, void **it) {
    CALLED();
    struct descriptor *descriptor = calloc(1, sizeof *descriptor);
    descriptor->type = type;
    *it = descriptor;
    return 0;
}

int cudnnBackendDestroyDescriptor(void *it) { CALLED(); free(it); return 0; }

int cudnnBackendFinalize(struct descriptor *it) {
    CALLED();
    return it->type == PLAN ? status_of_call("plan") : 0;
}

/* A plan is as exact as the engine it is made of. */
int cudnnBackendSetAttribute(struct descriptor *it, int attribute, int type, int64_t number, const void *values) {
    CALLED();
    (void)attribute;
    struct descriptor *const *parts = values;
    if (type == TYPE_DESCRIPTOR && number > 0 && parts[0]) it->is_exact |= parts[0]->is_exact;
    return 0;
}

int cudnnBackendGetAttribute(struct descriptor *it, int attribute, int type, int64_t room, int64_t *number, void *values) {
    CALLED();
    struct descriptor **parts = values;
    int64_t found = 0;
    if (attribute == HEURISTIC_RESULTS) {
        found = 2;
        for (int64_t place = 0; values && place < found && place < room; place++)
            parts[place]->is_exact = place == 1;
    } else if (attribute == CONFIG_ENGINE) {
        found = 1;
        if (values && room) parts[0]->is_exact = it->is_exact;
    } else if (attribute == ENGINE_NOTES && !it->is_exact) {
        static const int notes[] = {TENSOR_CORE, DOWN_CONVERT_INPUTS, NONDETERMINISTIC};
        found = 3;
        if (values && room >= found) memcpy(values, notes, sizeof notes);
    } else if (attribute == PLAN_MEMORY) {
        found = 1;
        if (values) *(int64_t *)values = 0;
    } else if (values && room && type != TYPE_DESCRIPTOR) {
        memset(values, 0, 8);
    }
    if (number) *number = found;
    return 0;
}

int cudnnBackendExecute(void *handle, struct descriptor *plan, void *tensors) {
    CALLED();
    (void)handle, (void)tensors;
    count("launches");
    count(plan->is_exact ? "exact convolutions" : "fast convolutions");
    return 0;
}
