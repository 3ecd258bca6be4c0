/*
 * The least that reaching the kernel from JavaScript can cost: one Node-API call that knows what it
 * is for, and nothing but that. It checks no argument and explains no error.
 */
#include <node_api.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int32_t integer(napi_env env, napi_value value) {
  int32_t number = 0;
  napi_get_value_int32(env, value, &number);
  return number;
}

static napi_value result(napi_env env, int32_t number) {
  napi_value value;
  napi_create_int32(env, number, &value);
  return value;
}

static int set(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value);
}

static int get(int fd, int level, int name, int32_t *value) {
  socklen_t length = sizeof *value;
  return getsockopt(fd, level, name, value, &length);
}

/* set(fd, enable, idle, interval, count, userTimeout): 0, or -1 if any failed. */
static napi_value set_all(napi_env env, napi_callback_info info) {
  napi_value argv[6];
  size_t argc = 6;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  int fd = integer(env, argv[0]);
  int failed = set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, integer(env, argv[5])) |
               set(fd, IPPROTO_TCP, TCP_KEEPINTVL, integer(env, argv[3])) |
               set(fd, IPPROTO_TCP, TCP_KEEPCNT, integer(env, argv[4])) |
               set(fd, IPPROTO_TCP, TCP_KEEPIDLE, integer(env, argv[2])) |
               set(fd, SOL_SOCKET, SO_KEEPALIVE, integer(env, argv[1]));
  return result(env, failed);
}

/* get(fd, int32Array): fills the five in the same order; 0, or -1 if any failed. */
static napi_value get_all(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  int32_t *values;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  napi_get_typedarray_info(env, argv[1], NULL, NULL, (void **)&values, NULL, NULL);
  int fd = integer(env, argv[0]);
  int failed = get(fd, SOL_SOCKET, SO_KEEPALIVE, &values[0]) |
               get(fd, IPPROTO_TCP, TCP_KEEPIDLE, &values[1]) |
               get(fd, IPPROTO_TCP, TCP_KEEPINTVL, &values[2]) |
               get(fd, IPPROTO_TCP, TCP_KEEPCNT, &values[3]) |
               get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &values[4]);
  return result(env, failed);
}

/* tcpInfo(fd, int32Array): fills the array with struct tcp_info; its length in bytes, or -1. */
static napi_value tcp_info(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  size_t words;
  void *structure;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  napi_get_typedarray_info(env, argv[1], NULL, &words, &structure, NULL, NULL);
  socklen_t length = words * sizeof(int32_t);
  int failed = getsockopt(integer(env, argv[0]), IPPROTO_TCP, TCP_INFO, structure, &length);
  return result(env, failed ? -1 : (int32_t)length);
}

static void expose(napi_env env, napi_value exports, const char *name, napi_callback call) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, NULL, &function);
  napi_set_named_property(env, exports, name, function);
}

NAPI_MODULE_INIT() {
  expose(env, exports, "set", set_all);
  expose(env, exports, "get", get_all);
  expose(env, exports, "tcpInfo", tcp_info);
  return exports;
}
