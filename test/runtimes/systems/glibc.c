/* What libstdc++ and libgcc of glibc need beside a C library and musl lacks. With it they serve programs for musl, for
 * which Debian has no libstdc++ of its own. */
#include <locale.h>
#include <stddef.h>
#include <time.h>

char __libc_single_threaded = 0;
struct { unsigned vendor, type, subtype, features; } __cpu_model;

long syscall(long number, ...);
size_t strftime_l(char *, size_t, const char *, const struct tm *, locale_t);

int __cpu_indicator_init(void) { return 0; }

unsigned arc4random(void) {
  unsigned value;
  syscall(318 /* getrandom */, &value, sizeof value, 0);
  return value;
}

size_t __strftime_l(char *to, size_t room, const char *format, const struct tm *when, locale_t locale) {
  return strftime_l(to, room, format, when, locale);
}

/* Destructors of a thread are not run. */
int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *library) { return 0; }

/* The caller then looks for the frame by dl_iterate_phdr. */
int _dl_find_object(void *address, void *result) { return -1; }
