# Runs a program under a seccomp filter that refuses one system call, as a container's profile does:
#     python3 refusing-calls.py <number> <errno> <first argument, or -1> <program> [<argument> ...]
import ctypes, os, struct, sys

number, errno, first = map(int, sys.argv[1:4])
LOAD, EQUAL, RETURN, ALLOW, ERRNO = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000
steps = [(LOAD, 0, 0, 0), (EQUAL, 0, 3 if first >= 0 else 1, number)]
if first >= 0:
    steps += [(LOAD, 0, 0, 16), (EQUAL, 0, 1, first)]
steps += [(RETURN, 0, 0, ERRNO | errno), (RETURN, 0, 0, ALLOW)]
code = b"".join(struct.pack("HBBI", *step) for step in steps)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
zero = ctypes.c_ulong(0)
if libc.prctl(38, ctypes.c_ulong(1), zero, zero, zero) != 0 or libc.prctl(22, ctypes.c_ulong(2), program) != 0:
    sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[4], sys.argv[4:])
