// SPDX-License-Identifier: Apache-2.0
/* The C interface from C11, without a GPU: versions, errors, refusals, and processes that meet, or hear why they cannot. */
#include "p2plab/c/p2plab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;

static void expect(int good, const char* what, const char* found) {
  if (good) return;
  ++failures;
  fprintf(stderr, "expected: %s\nfound: %s\n", what, found);
}

static void expect_error(p2plab_result result, p2plab_result wanted, const char* sentence) {
  char found[4096];
  snprintf(found, sizeof found, "%s: %s", p2plab_result_name(result), p2plab_last_error());
  char sought[1024];
  snprintf(sought, sizeof sought, "%s: ...%s", p2plab_result_name(wanted), sentence);
  expect(result == wanted && strstr(p2plab_last_error(), sentence) != NULL, sought, found);
}

static void names_and_versions(void) {
  expect(p2plab_abi() == P2PLAB_ABI, "the interface's version", "another");
  expect(strchr(p2plab_version(), '.') != NULL, "a version", p2plab_version());
  expect(strcmp(p2plab_result_name(P2PLAB_NOT_SERVED), "P2PLAB_NOT_SERVED") == 0, "P2PLAB_NOT_SERVED", p2plab_result_name(P2PLAB_NOT_SERVED));
  expect(strcmp(p2plab_result_name(P2PLAB_LEFT_TO_NCCL), "P2PLAB_LEFT_TO_NCCL") == 0, "P2PLAB_LEFT_TO_NCCL", p2plab_result_name(P2PLAB_LEFT_TO_NCCL));
  expect(strcmp(p2plab_result_name((p2plab_result)99), "unknown p2plab_result") == 0, "unknown p2plab_result", "another");
}

static void nothing_given(void) {
  p2plab_unique_id id;
  memset(&id, 0, sizeof id);
  p2plab_comm* comm = NULL;
  const p2plab_call call = {P2PLAB_ALL_REDUCE, 1, P2PLAB_FLOAT32, P2PLAB_SUM, 0, 0};
  char text[8];
  expect_error(p2plab_get_unique_id(NULL), P2PLAB_INVALID, "no place for the id");
  expect_error(p2plab_named_unique_id(NULL, &id), P2PLAB_INVALID, "no text");
  expect_error(p2plab_comm_init_rank(NULL, 1, id, 0, 0, NULL), P2PLAB_INVALID, "no place for the communicator");
  expect_error(p2plab_comm_init_rank(&comm, 1, id, 0, 0, NULL), P2PLAB_INVALID, "no unique id of p2plab");
  expect_error(p2plab_comm_init_exchange(&comm, 2, 0, 0, NULL, NULL, NULL), P2PLAB_INVALID, "no exchange");
  expect_error(p2plab_comm_init_all(&comm, 0, (int[]){0}, NULL), P2PLAB_INVALID, "1 to 64 ranks");
  expect_error(p2plab_all_reduce(NULL, NULL, 1, P2PLAB_FLOAT32, P2PLAB_SUM, NULL, NULL), P2PLAB_INVALID, "no communicator");
  expect_error(p2plab_prepare(NULL, &call), P2PLAB_INVALID, "no communicator");
  expect_error(p2plab_explain(NULL, &call, text, sizeof text), P2PLAB_INVALID, "no communicator");
  expect_error(p2plab_comm_async_error(NULL), P2PLAB_INVALID, "no communicator");
  expect_error(p2plab_comm_abort(NULL, "x"), P2PLAB_INVALID, "no communicator");
  expect(p2plab_comm_destroy(NULL) == P2PLAB_OK, "nothing is destroyed well", "an error");
  expect(p2plab_comm_rank(NULL) == -1 && p2plab_comm_ranks(NULL) == 0, "no rank of none", "one");
}

static p2plab_result alone(const p2plab_config* config) {
  p2plab_unique_id id;
  p2plab_comm* comm = NULL;
  if (p2plab_get_unique_id(&id) != P2PLAB_OK) return P2PLAB_FAILED;
  const p2plab_result result = p2plab_comm_init_rank(&comm, 1, id, 0, 0, config);
  if (result == P2PLAB_OK) p2plab_comm_destroy(comm);
  return result;
}

static void settings_are_strict(void) {
  p2plab_config config = P2PLAB_CONFIG;
  config.size = 0;
  expect_error(alone(&config), P2PLAB_INVALID, "start with P2PLAB_CONFIG");
  config = (p2plab_config)P2PLAB_CONFIG;
  config.backend = "ncll";
  expect_error(alone(&config), P2PLAB_INVALID, "unknown backend 'ncll'");
  config = (p2plab_config)P2PLAB_CONFIG;
  config.timeout_seconds = -1;
  expect_error(alone(&config), P2PLAB_INVALID, "timeout_seconds");
  config = (p2plab_config)P2PLAB_CONFIG;
  config.deadline_seconds = 0.01;
  expect_error(alone(&config), P2PLAB_INVALID, "ranks wait for each other for 0.1 to 86400 s");
  const char* const bad[] = {"all_reduce",           "all_reduce:float16:1KiB",         "all_reduce:float17:sum:1KiB", "all_reduce:float16:add:1KiB",
                             "all_gather:1KiB-",     "all_gather:float16:sum:1KiB",     "all_gather:4KiB-1KiB",        "all_gather:1",
                             "allgather:1KiB",       "send_receive:1KiB",               "all_gather:1KiB-2KiB-3KiB",   "all_gather:99999GiB",
                             "all_gather:16B-4GiB,all_reduce:int8:max:16B-4GiB,broadcast:16B-4GiB,all_to_all:16B-4GiB,all_reduce:int8:min:16B-4GiB,"
                             "all_reduce:int16:min:16B-4GiB,all_reduce:int32:min:16B-4GiB,all_reduce:int64:min:16B-4GiB,all_reduce:int8:sum:16B-4GiB,"
                             "all_reduce:int16:sum:16B-4GiB"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    config = (p2plab_config)P2PLAB_CONFIG;
    config.prepare = bad[i];
    const p2plab_result result = alone(&config);
    expect(result == P2PLAB_INVALID && strstr(p2plab_last_error(), "prepared") != NULL, bad[i], p2plab_last_error());
  }
}

static const char* file_with(const char* name, const char* text) {
  static char path[4096];
  const char* folder = getenv("TMPDIR");
  snprintf(path, sizeof path, "%s/p2plab_c_%d_%s", folder == NULL ? "/tmp" : folder, (int)getpid(), name);
  FILE* file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
  return path;
}

static void hostile_tables_are_refused(void) {
  static const char* const texts[] = {"", "{", "p2plab_tuned: 1\n", "p2plab_tuned: 2\nbands: []\n", "\x01\x02\x03", "[[[[[[[[[[[[[[[[[[[[[[[[[[[["};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
    p2plab_config config = P2PLAB_CONFIG;
    config.tuned = file_with("table.yaml", texts[i]);
    const p2plab_result result = alone(&config);
    expect(result == P2PLAB_INVALID && strstr(p2plab_last_error(), "table.yaml") != NULL, texts[i], p2plab_last_error());
    unlink(config.tuned);
  }
  p2plab_config config = P2PLAB_CONFIG;
  config.tuned = "/no/such/table.yaml";
  const p2plab_result result = alone(&config);
  expect(result != P2PLAB_OK && strstr(p2plab_last_error(), "/no/such/table.yaml") != NULL, "the missing file's name", p2plab_last_error());
}

/* Two processes; in each, what the call answered is compared. */
static void two_ranks(p2plab_result (*body)(int rank, p2plab_unique_id id), p2plab_result wanted, const char* sentence) {
  p2plab_unique_id id;
  p2plab_get_unique_id(&id);
  pid_t processes[2];
  for (int rank = 0; rank < 2; ++rank) {
    processes[rank] = fork();
    if (processes[rank] != 0) continue;
    failures = 0;
    expect_error(body(rank, id), wanted, sentence);
    _exit(failures);
  }
  for (int rank = 0; rank < 2; ++rank) {
    int status = 0;
    waitpid(processes[rank], &status, 0);
    if (status != 0) ++failures;
  }
}

static p2plab_result other_settings(int rank, p2plab_unique_id id) {
  p2plab_config config = P2PLAB_CONFIG;
  config.prepare = rank == 0 ? "" : "all_gather:1KiB";
  p2plab_comm* comm = NULL;
  return p2plab_comm_init_rank(&comm, 2, id, rank, 0, &config);
}

static p2plab_result one_bad_table(int rank, p2plab_unique_id id) {
  p2plab_config config = P2PLAB_CONFIG;
  config.tuned = rank == 0 ? "" : "/no/such/table.yaml";
  p2plab_comm* comm = NULL;
  return p2plab_comm_init_rank(&comm, 2, id, rank, 0, &config);
}

static p2plab_result one_stays_away(int rank, p2plab_unique_id id) {
  p2plab_config config = P2PLAB_CONFIG;
  config.join_seconds = 0.2;
  p2plab_comm* comm = NULL;
  return p2plab_comm_init_rank(&comm, 3, id, rank, 0, &config);
}

static p2plab_result no_gpu(int rank, p2plab_unique_id id) {
  p2plab_comm* comm = NULL;
  return p2plab_comm_init_rank(&comm, 2, id, rank, 0, NULL);
}

static p2plab_result far_settings(int rank, p2plab_unique_id id) {
  (void)id;
  p2plab_unique_id at;
  const p2plab_result made = p2plab_address_unique_id(NULL, &at); /* as torchrun's workers know it */
  if (made != P2PLAB_OK) return made;
  p2plab_config config = P2PLAB_CONFIG;
  config.prepare = rank == 0 ? "" : "all_gather:1KiB";
  p2plab_comm* comm = NULL;
  return p2plab_comm_init_rank(&comm, 2, at, rank, 0, &config);
}

static void ranks_meet_at_an_address(void) {
  p2plab_unique_id id;
  unsetenv("P2PLAB_ADDRESS");
  unsetenv("MASTER_ADDR");
  expect_error(p2plab_address_unique_id(NULL, NULL), P2PLAB_INVALID, "no place for the id");
  expect_error(p2plab_address_unique_id(NULL, &id), P2PLAB_INVALID, "neither P2PLAB_ADDRESS nor MASTER_ADDR and MASTER_PORT are set");
  expect_error(p2plab_address_unique_id("29500", &id), P2PLAB_INVALID, "a host and a port are needed");
  char port[16];
  snprintf(port, sizeof port, "%d", 20000 + (int)getpid() % 20000);
  setenv("MASTER_ADDR", "::1", 1);
  setenv("MASTER_PORT", port, 1);
  expect(p2plab_address_unique_id(NULL, &id) == P2PLAB_OK, "an IPv6 address as torchrun has it", p2plab_last_error());
  setenv("MASTER_ADDR", "127.0.0.1", 1);
  two_ranks(far_settings, P2PLAB_INVALID, "rank 1 has other settings than rank 0");
}

static int broken_exchange(const void* mine, void* all, size_t size, void* user) {
  (void)mine, (void)all, (void)size;
  ++*(int*)user;
  return 1;
}

/* Gives nobody's bytes. */
static int empty_exchange(const void* mine, void* all, size_t size, void* user) {
  (void)mine;
  memset(all, 0, 2 * size);
  ++*(int*)user;
  return 0;
}

int main(void) {
  names_and_versions();
  nothing_given();
  settings_are_strict();
  hostile_tables_are_refused();
  two_ranks(other_settings, P2PLAB_INVALID, "rank 1 has other settings than rank 0");
  two_ranks(one_stays_away, P2PLAB_FAILED, "rank 2 of 3 did not come within 0.2 s");
  two_ranks(one_bad_table, P2PLAB_FAILED, "/no/such/table.yaml");
  ranks_meet_at_an_address();
  int asked = 0;
  p2plab_comm* comm = NULL;
  expect_error(p2plab_comm_init_exchange(&comm, 2, 0, 0, broken_exchange, &asked, NULL), P2PLAB_FAILED, "the caller's exchange failed");
  expect(asked == 1, "one exchange", "another number");
  setenv("P2PLAB_INTERFACE", "nowhere0", 1);
  expect_error(p2plab_comm_init_exchange(&comm, 2, 0, 0, empty_exchange, &asked, NULL), P2PLAB_INVALID, "is no interface here");
  unsetenv("P2PLAB_INTERFACE");
  expect(asked == 2, "an exchange also by who has no place to offer, as the others wait in it", "none");
  int count = -1;
  if (p2plab_device_count(&count) == P2PLAB_OK) {
    printf("%d GPUs here: what is answered without one is not tested\n", count);
  } else {
    expect(count == 0, "no GPUs", "some");
    expect_error(p2plab_device_count(&count), P2PLAB_NO_DEVICE, "no");
    expect_error(alone(NULL), P2PLAB_NO_DEVICE, "no");
    expect_error(p2plab_comm_init_all(&comm, 1, (int[]){0}, NULL), P2PLAB_NO_DEVICE, "no");
    two_ranks(no_gpu, P2PLAB_NO_DEVICE, "no");
  }
  if (failures == 0) printf("all good\n");
  return failures == 0 ? 0 : 1;
}
