/* Stands between a process and the C library's calls that change or read files, below one folder only.
 *
 * Two uses, chosen by the test that preloads it:
 * - log: every change, with its data, in the order in which it happened, goes to the file FAULTS_LOG;
 * - fail: faults_arm(n, error, kind) lets the n-th call that changes a file fail from now on; with the kind READ, the
 *   n-th call that reads.
 * Apart from these, FAULTS_SLOW_MUNMAP=N lets each munmap of some pages take N microseconds.
 *
 * Built at test time with: cc -shared -fPIC -o shim.so shim.c -ldl -lpthread
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ONCE = 0, SHORT = 1, FROM_HERE_ON = 2, READ = 3 };

static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static long left_until_fault, calls, fired;
static int fault_error, fault_kind, full_next;
static char what[PATH_MAX + 32];

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_unlinkat)(int, const char *, int);
static int (*real_rename)(const char *, const char *);
static int (*real_renameat)(int, const char *, int, const char *);
static int (*real_link)(const char *, const char *);
static int (*real_linkat)(int, const char *, int, const char *, int);
static int (*real_munmap)(void *, size_t);
static useconds_t slow_munmap;

void faults_watch(const char *folder)
{
    snprintf(root, sizeof root, "%s/", folder);
    root_length = strlen(root);
}

__attribute__((constructor)) static void begin(void)
{
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_read = dlsym(RTLD_NEXT, "read");
    real_pread = dlsym(RTLD_NEXT, "pread");
    real_open = dlsym(RTLD_NEXT, "open");
    real_openat = dlsym(RTLD_NEXT, "openat");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_unlinkat = dlsym(RTLD_NEXT, "unlinkat");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_renameat = dlsym(RTLD_NEXT, "renameat");
    real_link = dlsym(RTLD_NEXT, "link");
    real_linkat = dlsym(RTLD_NEXT, "linkat");
    real_munmap = dlsym(RTLD_NEXT, "munmap");
    const char *folder = getenv("FAULTS_ROOT"), *log = getenv("FAULTS_LOG"), *slow = getenv("FAULTS_SLOW_MUNMAP");
    if (slow)
        slow_munmap = atoi(slow);
    if (folder)
        faults_watch(folder);
    if (log)
        log_fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* -- what a test calls */

void faults_arm(long n, int error, int kind)
{
    pthread_mutex_lock(&gate);
    left_until_fault = n;
    fault_error = error;
    fault_kind = kind;
    full_next = 0;
    calls = fired = 0;
    what[0] = 0;
    pthread_mutex_unlock(&gate);
}

/* No more faults; what fired stays known. */
void faults_stop(void)
{
    pthread_mutex_lock(&gate);
    left_until_fault = full_next = 0;
    pthread_mutex_unlock(&gate);
}

long faults_fired(void) { return fired; }
long faults_calls(void) { return calls; }
const char *faults_what(void) { return what; }

/* -- is it ours */

static int path_is_ours(const char *path) { return root_length && strncmp(path, root, root_length) == 0; }

static int fd_path(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    path[n < 0 ? 0 : n] = 0;
    return n > 0;
}

static int fd_is_ours(int fd, char *path)
{
    if (!root_length || fd == log_fd || !fd_path(fd, path))
        return 0;
    return path_is_ours(path) || (strlen(path) + 1 == root_length && strncmp(path, root, root_length - 1) == 0);
}

static int is_index(const char *path)
{
    const char *end = strstr(path, "-shm"); /* rebuilt after a crash; never read as it was */
    return end && (!end[4] || end[4] == ' ');
}

/* -- fail */

static int fails(const char *call, const char *path)
{
    if ((fault_kind == READ) != (strcmp(call, "read") == 0))
        return 0;
    calls++;
    if (fault_kind == FROM_HERE_ON && strcmp(call, "unlink") == 0) /* a full disk lets files go */
        return 0;
    if (full_next || (left_until_fault > 0 && --left_until_fault == 0)) {
        full_next = fault_kind == FROM_HERE_ON;
        if (!fired++)
            snprintf(what, sizeof what, "%s %s", call, path);
        errno = fault_error;
        return 1;
    }
    return 0;
}

/* A short write leaves half, and the next one finds the disk full. */
static size_t shortened(const char *call, const char *path, size_t size)
{
    if (fault_kind == SHORT && left_until_fault == 1 && !full_next && size > 1) {
        calls++;
        left_until_fault = 0;
        full_next = 1;
        if (!fired++)
            snprintf(what, sizeof what, "short %s %s", call, path);
        return size / 2;
    }
    return 0;
}

/* -- log: the same mutex and file lock around call and record, so that the order is the true one */

struct header {
    char op;
    char pad[7];
    uint64_t inode, offset, path, other, size;
};

static void enter(void)
{
    pthread_mutex_lock(&gate);
    while (log_fd >= 0 && flock(log_fd, LOCK_EX)) /* without the lock, the order of two processes is not the true one */
        if (errno != EINTR)
            abort();
}

static void leave(void)
{
    int kept = errno;
    if (log_fd >= 0)
        flock(log_fd, LOCK_UN);
    pthread_mutex_unlock(&gate);
    errno = kept;
}

static void record(char op, uint64_t inode, uint64_t offset, const char *path, const char *other, const void *data,
                   size_t size)
{
    if (log_fd < 0)
        return;
    int kept = errno;
    struct header head = {op, {0}, inode, offset, strlen(path), strlen(other), size};
    struct iovec parts[] = {
        {&head, sizeof head}, {(void *)path, head.path}, {(void *)other, head.other}, {(void *)data, size}};
    if (writev(log_fd, parts, 4) != (ssize_t)(sizeof head + head.path + head.other + size))
        abort();
    errno = kept;
}

static uint64_t inode_of(int fd)
{
    struct stat status;
    return fstat(fd, &status) ? 0 : status.st_ino;
}

/* -- the calls */

static ssize_t do_write(int fd, const void *data, size_t size, int positioned, off_t offset)
{
    char path[PATH_MAX];
    if (!fd_is_ours(fd, path))
        return positioned ? real_pwrite(fd, data, size, offset) : real_write(fd, data, size);
    enter();
    ssize_t done = -1;
    size_t half = shortened("write", path, size);
    if (half)
        size = half;
    if (half || !fails("write", path)) {
        if (!positioned)
            offset = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
        done = positioned ? real_pwrite(fd, data, size, offset) : real_write(fd, data, size);
        if (done > 0 && !is_index(path))
            record('W', inode_of(fd), offset, path, "", data, done);
    }
    leave();
    return done;
}

ssize_t write(int fd, const void *data, size_t size) { return do_write(fd, data, size, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return do_write(fd, data, size, 1, offset); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return do_write(fd, data, size, 1, offset); }

static int read_fails(int fd)
{
    char path[PATH_MAX];
    if (fault_kind != READ || !left_until_fault || !fd_is_ours(fd, path))
        return 0;
    pthread_mutex_lock(&gate);
    int failed = fails("read", path);
    pthread_mutex_unlock(&gate);
    return failed;
}

ssize_t read(int fd, void *data, size_t size) { return read_fails(fd) ? -1 : real_read(fd, data, size); }
ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
    return read_fails(fd) ? -1 : real_pread(fd, data, size, offset);
}
ssize_t pread64(int fd, void *data, size_t size, off_t offset) { return pread(fd, data, size, offset); }

static int do_open(int folder, const char *path, int flags, mode_t mode)
{
    int changes = flags & (O_CREAT | O_TRUNC);
    if (!changes || !path_is_ours(path))
        return real_openat(folder, path, flags, mode);
    enter();
    struct stat before;
    int exists = stat(path, &before) == 0, fd = -1;
    if (exists && !(flags & O_TRUNC))
        fd = real_openat(folder, path, flags, mode);
    else if (!fails(exists ? "truncate" : "create", path)) {
        fd = real_openat(folder, path, flags, mode);
        if (fd >= 0 && !is_index(path))
            record(exists ? 'T' : 'C', inode_of(fd), 0, path, "", "", 0);
    }
    leave();
    return fd;
}

#define MODE(flags)                     \
    mode_t mode = 0;                    \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest;                   \
        va_start(rest, flags);          \
        mode = va_arg(rest, mode_t);    \
        va_end(rest);                   \
    }

int open(const char *path, int flags, ...) { MODE(flags) return do_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return do_open(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return do_open(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return do_open(folder, path, flags, mode); }

int ftruncate(int fd, off_t size)
{
    char path[PATH_MAX];
    if (!fd_is_ours(fd, path))
        return real_ftruncate(fd, size);
    enter();
    int result = fails("ftruncate", path) ? -1 : real_ftruncate(fd, size);
    if (!result && !is_index(path))
        record('T', inode_of(fd), size, path, "", "", 0);
    leave();
    return result;
}

int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

static int do_sync(int fd, int (*real)(int))
{
    char path[PATH_MAX];
    if (!fd_is_ours(fd, path))
        return real(fd);
    enter();
    int result = fails("fsync", path) ? -1 : real(fd);
    struct stat status;
    if (!result && !fstat(fd, &status))
        record(S_ISDIR(status.st_mode) ? 'D' : 'S', status.st_ino, 0, path, "", "", 0);
    leave();
    return result;
}

int fsync(int fd) { return do_sync(fd, real_fsync); }
int fdatasync(int fd) { return do_sync(fd, real_fdatasync); }

#define NAMES(op, call, path, other, real)                  \
    if (!path_is_ours(path) && !path_is_ours(other))        \
        return real;                                        \
    enter();                                                \
    int result = fails(call, path) ? -1 : real;             \
    if (!result)                                            \
        record(op, 0, 0, path, other, "", 0);               \
    leave();                                                \
    return result;

int unlink(const char *path) { NAMES('U', "unlink", path, "", real_unlink(path)) }
int unlinkat(int folder, const char *path, int flags) { NAMES('U', "unlink", path, "", real_unlinkat(folder, path, flags)) }
int rename(const char *path, const char *other) { NAMES('R', "rename", path, other, real_rename(path, other)) }
int renameat(int from, const char *path, int to, const char *other)
{
    NAMES('R', "rename", path, other, real_renameat(from, path, to, other))
}
int link(const char *path, const char *other) { NAMES('L', "link", path, other, real_link(path, other)) }
int linkat(int from, const char *path, int to, const char *other, int flags)
{
    NAMES('L', "link", path, other, real_linkat(from, path, to, other, flags))
}

/* SQLite's checkpoint gives back its view of the file after it has read the log's header and before it looks how
 * much of the log was copied already: the moment in which a commit may begin the log again. */
int munmap(void *start, size_t size)
{
    if (slow_munmap && size >= 16384)
        usleep(slow_munmap);
    return real_munmap(start, size);
}
