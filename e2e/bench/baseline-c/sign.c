/*
 * The measure that the signer is held against: signs 32-byte digests in a loop through a PKCS#11 module, with as many
 * threads as asked for and a session for each, and does nothing else. Prints one line of JSON:
 *   {"signatures":N,"cpuSeconds":S,"wallSeconds":S}
 *
 * usage: sign MODULE TOKEN_LABEL TOKEN_SERIAL PIN_FILE THREADS SIGNATURES
 *
 * No package is sure to have the PKCS#11 headers, so the few types needed are declared here (PKCS#11 2.40). The list of
 * functions is read by position: after the version (padded to a pointer) come the functions in the order of the standard.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long CK_ULONG;
typedef unsigned char CK_BYTE;
typedef CK_ULONG CK_RV;

typedef struct { void *create, *destroy, *lock, *unlock; CK_ULONG flags; void *reserved; } CK_C_INITIALIZE_ARGS;
typedef struct { CK_ULONG type; void *value; CK_ULONG length; } CK_ATTRIBUTE;
typedef struct { CK_ULONG mechanism; void *parameter; CK_ULONG length; } CK_MECHANISM;
/* What comes after the serial number is not looked at; the room is larger than any CK_TOKEN_INFO. */
typedef struct { CK_BYTE label[32], manufacturer[32], model[16], serial[16], rest[256]; } TOKEN_INFO;

enum { CKF_OS_LOCKING_OK = 2, CKF_RW_SESSION = 2, CKF_SERIAL_SESSION = 4, CKU_USER = 1 };
enum { CKA_CLASS = 0, CKA_KEY_TYPE = 0x100, CKO_PRIVATE_KEY = 3, CKK_EC = 3, CKM_ECDSA = 0x1041 };
/* Places in CK_FUNCTION_LIST, C_Initialize being 0. */
enum {
  INITIALIZE = 0, GET_SLOT_LIST = 4, GET_TOKEN_INFO = 6, OPEN_SESSION = 12, LOGIN = 18,
  FIND_OBJECTS_INIT = 26, FIND_OBJECTS = 27, FIND_OBJECTS_FINAL = 28, SIGN_INIT = 42, SIGN = 43
};

static void **functions;
static CK_ULONG slot;
static long per_thread;

#define CALL(place, types, ...) ((CK_RV(*) types)functions[place])(__VA_ARGS__)

static void check(CK_RV result, const char *what) {
  if (result == 0) return;
  fprintf(stderr, "%s failed: 0x%lx\n", what, result);
  exit(1);
}

static CK_ULONG open_session(void) {
  CK_ULONG session;
  check(CALL(OPEN_SESSION, (CK_ULONG, CK_ULONG, void *, void *, CK_ULONG *), slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
             NULL, NULL, &session), "C_OpenSession");
  return session;
}

static CK_ULONG find_key(CK_ULONG session) {
  CK_ULONG class = CKO_PRIVATE_KEY, type = CKK_EC, key, count = 0;
  CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type}};
  check(CALL(FIND_OBJECTS_INIT, (CK_ULONG, CK_ATTRIBUTE *, CK_ULONG), session, wanted, 2), "C_FindObjectsInit");
  check(CALL(FIND_OBJECTS, (CK_ULONG, CK_ULONG *, CK_ULONG, CK_ULONG *), session, &key, 1, &count), "C_FindObjects");
  check(CALL(FIND_OBJECTS_FINAL, (CK_ULONG), session), "C_FindObjectsFinal");
  if (count == 0) {
    fprintf(stderr, "the token has no private EC key\n");
    exit(1);
  }
  return key;
}

static void *sign_in_a_loop(void *argument) {
  CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
  CK_BYTE digest[32], signature[128];
  CK_ULONG session = open_session(), key = find_key(session), length;
  memset(digest, (int)(long)argument + 1, sizeof digest);
  for (long i = 0; i < per_thread; i++) {
    memcpy(digest, &i, sizeof i);
    length = sizeof signature;
    check(CALL(SIGN_INIT, (CK_ULONG, CK_MECHANISM *, CK_ULONG), session, &mechanism, key), "C_SignInit");
    check(CALL(SIGN, (CK_ULONG, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *), session, digest, sizeof digest, signature,
               &length), "C_Sign");
  }
  return NULL;
}

/* Labels and serials are padded with blanks; some modules take zeros. */
static int is(const CK_BYTE *padded, size_t size, const char *text) {
  size_t length = strlen(text);
  if (length > size || memcmp(padded, text, length) != 0) return 0;
  for (; length < size; length++) if (padded[length] != ' ' && padded[length] != 0) return 0;
  return 1;
}

static void find_slot(const char *label, const char *serial) {
  CK_ULONG slots[64], count = 64;
  check(CALL(GET_SLOT_LIST, (CK_BYTE, CK_ULONG *, CK_ULONG *), 1, slots, &count), "C_GetSlotList");
  for (CK_ULONG i = 0; i < count; i++) {
    TOKEN_INFO token;
    check(CALL(GET_TOKEN_INFO, (CK_ULONG, TOKEN_INFO *), slots[i], &token), "C_GetTokenInfo");
    if (!is(token.label, sizeof token.label, label) || !is(token.serial, sizeof token.serial, serial)) continue;
    slot = slots[i];
    return;
  }
  fprintf(stderr, "no token has label %s and serial %s\n", label, serial);
  exit(1);
}

static void log_in(const char *pin_file) {
  char pin[256];
  FILE *file = fopen(pin_file, "r");
  if (file == NULL || fgets(pin, sizeof pin, file) == NULL) {
    fprintf(stderr, "%s cannot be read\n", pin_file);
    exit(1);
  }
  fclose(file);
  pin[strcspn(pin, "\n")] = 0;
  check(CALL(LOGIN, (CK_ULONG, CK_ULONG, char *, CK_ULONG), open_session(), CKU_USER, pin, strlen(pin)), "C_Login");
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double wall_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: %s MODULE TOKEN_LABEL TOKEN_SERIAL PIN_FILE THREADS SIGNATURES\n", argv[0]);
    return 2;
  }
  long threads = atol(argv[5]);
  if (threads < 1 || threads > 256) threads = 1;
  per_thread = atol(argv[6]) / threads;

  void *library = dlopen(argv[1], RTLD_NOW);
  CK_RV (*get_list)(void **) = library ? (CK_RV(*)(void **))dlsym(library, "C_GetFunctionList") : NULL;
  void *list;
  if (get_list == NULL || get_list(&list) != 0) {
    fprintf(stderr, "%s is no PKCS#11 module\n", argv[1]);
    return 1;
  }
  functions = (void **)list + 1;
  CK_C_INITIALIZE_ARGS locking = {.flags = CKF_OS_LOCKING_OK};
  check(CALL(INITIALIZE, (void *), &locking), "C_Initialize");
  find_slot(argv[2], argv[3]);
  log_in(argv[4]);

  pthread_t running[256];
  double cpu = cpu_seconds(), wall = wall_seconds();
  for (long i = 0; i < threads; i++) pthread_create(&running[i], NULL, sign_in_a_loop, (void *)i);
  for (long i = 0; i < threads; i++) pthread_join(running[i], NULL);
  printf("{\"signatures\":%ld,\"cpuSeconds\":%.6f,\"wallSeconds\":%.6f}\n", per_thread * threads, cpu_seconds() - cpu,
         wall_seconds() - wall);
  fflush(stdout);
  _exit(0); /* finalising is not what is measured */
}
