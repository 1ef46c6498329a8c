/* Runs before the libraries that the program is linked with are initialized, which is too early for
 * Rust. libtorch's own initialization would otherwise
 *
 * - bind the process to one core if OMP_PROC_BIND, OMP_PLACES or GOMP_CPU_AFFINITY is set, as it is
 *   on many clusters. The program does not use OpenMP's threads: it starts its own.
 * - end the process if the working directory has been removed, because of MKL. In the directory that
 *   the program changes to, nothing can be created, and no data has its names, so relative paths
 *   still fail; src/main.rs recognizes it and says why.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int binds_to_cores(const char *variable) {
    static const char *names[] = {"OMP_PROC_BIND=", "OMP_PLACES=", "GOMP_CPU_AFFINITY="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return 1;
    return 0;
}

/* The C library does not know its environment yet, so the variables are removed from the original. */
static void start(int argc, char **argv, char **environment) {
    (void)argc, (void)argv;
    char **kept = environment;
    for (char **variable = environment; *variable != NULL; variable++)
        if (!binds_to_cores(*variable))
            *kept++ = *variable;
    *kept = NULL;

    char *directory = getcwd(NULL, 0);
    if (directory == NULL && chdir("/proc/self/fdinfo") != 0) {
        /* MKL will end the process. */
    }
    free(directory);
}

__attribute__((section(".preinit_array"), used)) static void (*run_start)(int, char **, char **) =
    start;
