// SPDX-License-Identifier: Apache-2.0
/* What recording costs, by level, in turns with no recording: of calls in graphs and eager ones, by size. Then, that replays are counted exactly.

     recording_cost LIBP2PLAB FOLDER [RANKS [GPUS]]     (2 ranks on 1 GPU; rank r on GPU r modulo GPUS)     1: miscounted; 77: no such GPUs

   The records of each level lie in FOLDER/LEVEL: `p2plab monitor --dir FOLDER/steps --ended --once --trace FILE` shows the steps of the last one.
   Each level has a copy of the library, for a process records at one level. A round is a graph of so many calls on each rank, or so many calls; the
   levels take turns round by round, and what is printed are medians over rounds. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2plab/c/recorded.h"

#include "measuring.h"

enum { levels = 5, most_ranks = 4, rounds = 61, skip = 77 };
/* Twice off: what the two differ by is what two copies of one library differ by. */
static const char* const level_names[levels] = {"off", "basic", "detailed", "steps", "off again"};
static int ranks = 2;
static int gpus = 1;

static int (*synchronize)(void*);
static int (*begin_capture)(void*, int);
static int (*end_capture)(void*, void**);
static int (*instantiate)(void**, void*, unsigned long long);
static int (*launch_graph)(void*, void*);
static int (*destroy_exec)(void*);
static int (*record_event)(void*, void*);
static int (*elapsed)(float*, void*, void*);
static uint64_t buffers[most_ranks];
static void* streams[most_ranks];
static void* events[2];
static const size_t most_bytes = (size_t)64 << 20;

static int set_up_gpus(void) {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (driver == NULL || ((int (*)(unsigned))symbol(driver, "cuInit"))(0) != 0) return 0;
  int there = 0;
  if (((int (*)(int*))symbol(driver, "cuDeviceGetCount"))(&there) != 0 || there < gpus) return 0;
  /* Those of rank 0 last: it is timed by events of its context, which is the one that stays current. */
  for (int r = ranks - 1; r >= 0; --r) {
    void* context = NULL;
    must(((int (*)(void**, int))symbol(driver, "cuDevicePrimaryCtxRetain"))(&context, r % gpus), "context");
    must(((int (*)(void*))symbol(driver, "cuCtxSetCurrent"))(context), "context");
    must(((int (*)(uint64_t*, size_t))symbol(driver, "cuMemAlloc_v2"))(&buffers[r], 2 * most_bytes), "memory");
    must(((int (*)(uint64_t, unsigned char, size_t))symbol(driver, "cuMemsetD8_v2"))(buffers[r], 0, 2 * most_bytes), "memory");
    must(((int (*)(void**, unsigned))symbol(driver, "cuStreamCreate"))(&streams[r], 1), "stream");
  }
  for (int e = 0; e < 2; ++e) must(((int (*)(void**, unsigned))symbol(driver, "cuEventCreate"))(&events[e], 0), "event");
  *(void**)&synchronize = symbol(driver, "cuStreamSynchronize");
  *(void**)&begin_capture = symbol(driver, "cuStreamBeginCapture_v2");
  *(void**)&end_capture = symbol(driver, "cuStreamEndCapture");
  *(void**)&instantiate = symbol(driver, "cuGraphInstantiateWithFlags");
  *(void**)&launch_graph = symbol(driver, "cuGraphLaunch");
  *(void**)&destroy_exec = symbol(driver, "cuGraphExecDestroy");
  *(void**)&record_event = symbol(driver, "cuEventRecord");
  *(void**)&elapsed = symbol(driver, "cuEventElapsedTime");
  return 1;
}

/* The library at one level. */
struct Level {
  p2plab_comm* comms[most_ranks];
  p2plab_result (*all_reduce)(const void*, void*, size_t, p2plab_type, p2plab_op, p2plab_comm*, p2plab_stream);
  p2plab_result (*prepare)(p2plab_comm*, const p2plab_call*);
  p2plab_result (*destroy)(p2plab_comm*);
  p2plab_result (*replays)(p2plab_recorded*, size_t, size_t, size_t*);
  const char* (*why)(void);
  void* graphs[most_ranks];
};
static struct Level all[levels];

static void copy_file(const char* from, const char* to) {
  char command[1200];
  snprintf(command, sizeof command, "cp -L '%s' '%s'", from, to);
  must(system(command), command);
}

static void open_level(int l, const char* path, const char* folder) {
  char place[500];
  char copy[600];
  snprintf(place, sizeof place, "%s/%s", folder, level_names[l]);
  mkdir(place, 0700);
  snprintf(copy, sizeof copy, "%s/libp2plab.so", place);
  copy_file(path, copy);
  setenv("P2PLAB_MONITOR", l == levels - 1 ? "off" : level_names[l], 1);
  setenv("P2PLAB_MONITOR_DIR", place, 1);
  void* library = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  remove(copy);
  struct Level* level = &all[l];
  p2plab_result (*init)(p2plab_comm**, int, const int*, const p2plab_config*);
  *(void**)&init = symbol(library, "p2plab_comm_init_all");
  *(void**)&level->all_reduce = symbol(library, "p2plab_all_reduce");
  *(void**)&level->prepare = symbol(library, "p2plab_prepare");
  *(void**)&level->destroy = symbol(library, "p2plab_comm_destroy");
  *(void**)&level->replays = symbol(library, "p2plab_recorded_replays");
  *(void**)&level->why = symbol(library, "p2plab_last_error");
  p2plab_config config = P2PLAB_CONFIG;
  config.prepare = "";
  config.load_nccl = 0;
  config.deadline_seconds = 20;
  int devices[most_ranks];
  for (int r = 0; r < most_ranks; ++r) devices[r] = r % gpus;
  if (init(level->comms, ranks, devices, &config) != P2PLAB_OK) {
    fprintf(stderr, "%s\n", level->why());
    exit(1);
  }
}

static void call(struct Level* level, int rank, size_t bytes) {
  if (level->all_reduce((void*)buffers[rank], (void*)(buffers[rank] + most_bytes), bytes / 2, P2PLAB_BFLOAT16, P2PLAB_SUM, level->comms[rank],
                        streams[rank]) == P2PLAB_OK)
    return;
  fprintf(stderr, "%s\n", level->why());
  exit(1);
}

/* Programs are made before anything is captured. */
static void prepare(struct Level* level, size_t bytes) {
  const p2plab_call wanted = {P2PLAB_ALL_REDUCE, bytes / 2, P2PLAB_BFLOAT16, P2PLAB_SUM, 0, 0};
  must(level->prepare(level->comms[0], &wanted), level->why());
  for (int r = 0; r < ranks; ++r) call(level, r, bytes);
  for (int r = 0; r < ranks; ++r) must(synchronize(streams[r]), "wait");
}

static void capture(struct Level* level, size_t bytes, int calls) {
  for (int r = 0; r < ranks; ++r) {
    void* graph = NULL;
    must(begin_capture(streams[r], 2), "capture");
    for (int c = 0; c < calls; ++c) call(level, r, bytes);
    must(end_capture(streams[r], &graph), "capture");
    must(instantiate(&level->graphs[r], graph, 0), "graph");
  }
}

static void wait_all(void) {
  for (int r = 0; r < ranks; ++r) must(synchronize(streams[r]), "wait");
}

/* Time of a call in a graph by events, us; a graph runs before, so that all ranks are on the way. */
static double graph_round(struct Level* level, int calls) {
  for (int r = 0; r < ranks; ++r) must(launch_graph(level->graphs[r], streams[r]), "replay");
  must(record_event(events[0], streams[0]), "event");
  for (int turn = 0; turn < 2; ++turn)
    for (int r = 0; r < ranks; ++r) must(launch_graph(level->graphs[r], streams[r]), "replay");
  must(record_event(events[1], streams[0]), "event");
  wait_all();
  float ms = 0;
  must(elapsed(&ms, events[0], events[1]), "time");
  return (double)ms * 1e3 / (2 * calls);
}

/* Host time of a call of one rank, and the time until it is done, us. */
static double eager_round(struct Level* level, size_t bytes, int calls, double* done) {
  const double begun = now();
  for (int c = 0; c < calls; ++c)
    for (int r = 0; r < ranks; ++r) call(level, r, bytes);
  const double put = now();
  wait_all();
  *done = (now() - begun) / calls;
  return (put - begun) / (calls * ranks);
}

/* What a call asks of CUDA when it is recorded: whether it is being captured. */
static void measure_asking(void) {
  enum { times = 2000 };
  void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  int (*is_capturing)(void*, int*);
  int (*info)(void*, int*, uint64_t*, void*, void*, void*, void*);
  *(void**)&is_capturing = symbol(driver, "cuStreamIsCapturing");
  *(void**)&info = symbol(driver, "cuStreamGetCaptureInfo_v3");
  int status = 0;
  uint64_t number = 0;
  double begun = now();
  for (int i = 0; i < times; ++i) must(is_capturing(streams[0], &status), "ask");
  const double one = (now() - begun) / times;
  begun = now();
  for (int i = 0; i < times; ++i) must(info(streams[0], &status, &number, NULL, NULL, NULL, NULL), "ask");
  const double other = (now() - begun) / times;
  begun = now();
  for (int i = 0; i < times; ++i) now();
  printf("asking whether a stream is captured: %.3f us; by which capture: %.3f us; the time: %.3f us\n", one, other, (now() - begun) / times);
}

static void measure(size_t bytes, int calls) {
  static double graph[levels][rounds];
  static double host[levels][rounds];
  static double done[levels][rounds];
  for (int l = 0; l < levels; ++l) {
    prepare(&all[l], bytes);
    capture(&all[l], bytes, calls);
  }
  for (int round = -3; round < rounds; ++round) {
    for (int k = 0; k < levels; ++k) {
      const int l = (k + round + 4) % levels; /* nobody is always first */
      double until = 0;
      const double in_graph = graph_round(&all[l], calls);
      const double put = eager_round(&all[l], bytes, calls, &until);
      if (round < 0) continue;
      graph[l][round] = in_graph;
      host[l][round] = put;
      done[l][round] = until;
    }
  }
  for (int l = 0; l < levels; ++l) {
    const double g = median(graph[l], rounds);
    const double h = median(host[l], rounds);
    const double d = median(done[l], rounds);
    static double g0, h0, d0;
    if (l == 0) g0 = g, h0 = h, d0 = d;
    printf("%9zu B  %-9s  in a graph %9.3f us (%+.3f us, %+.2f %%)  eager: host %7.3f us (%+.3f us)  until done %9.3f us (%+.3f us, %+.2f %%)\n", bytes,
           level_names[l], g, g - g0, 100 * (g / g0 - 1), h, h - h0, d, d - d0, 100 * (d / d0 - 1));
    for (int r = 0; r < ranks; ++r) must(destroy_exec(all[l].graphs[r]), "graph");
  }
}

/* A graph of three calls, 10,000 times: is each counted on each rank, and is its time by the kernels' clock beside that by events? 1: miscounted. */
static int count_replays(int l) {
  enum { calls = 3, times = 10000, bytes = 16 << 10, most = 4096 };
  static p2plab_recorded recorded[most];
  struct Level* level = &all[l];
  size_t found = 0;
  int bad = 0;
  double us = 0;
  prepare(level, bytes);
  capture(level, bytes, calls);
  for (int i = 0; i < times / 4; ++i) {
    for (int r = 0; r < ranks; ++r) must(launch_graph(level->graphs[r], streams[r]), "replay");
    us += graph_round(level, calls); /* three more */
  }
  must(level->replays(recorded, sizeof *recorded, most, &found), level->why());
  for (int r = 0; r < ranks; ++r) {
    unsigned long long counted = 0;
    double sum = 0;
    double least = 1e30;
    double longest = 0;
    for (size_t i = 0; i < found && i < most; ++i) {
      if (recorded[i].rank != r || recorded[i].count != bytes / 2) continue;
      counted += recorded[i].replays;
      sum += recorded[i].sum_us;
      if (recorded[i].least_us < least) least = recorded[i].least_us;
      if (recorded[i].most_us > longest) longest = recorded[i].most_us;
    }
    printf("%-8s  rank %d: %llu of %d replayed calls of %d B counted; %.3f us each by their own clock (%.3f to %.3f), %.3f us by events around graphs\n",
           level_names[l], r, counted, calls * times, (int)bytes, counted ? sum / (double)counted : 0, least, longest, us / (times / 4));
    bad |= counted != calls * times;
  }
  return bad;
}

int main(int words, char** word) {
  if (words < 3) return 2;
  if (words > 3) ranks = atoi(word[3]);
  if (words > 4) gpus = atoi(word[4]);
  if (ranks < 1 || ranks > most_ranks || gpus < 1 || gpus > ranks) return 2;
  if (!set_up_gpus()) {
    printf("skipped: not %d GPUs\n", gpus);
    return skip;
  }
  for (int l = 0; l < levels; ++l) open_level(l, word[1], word[2]);
  printf("%d ranks on %d GPUs, all-reduce of bfloat16, medians of %d rounds in turns\n", ranks, gpus, (int)rounds);
  measure_asking();
  measure(1 << 10, 100);
  measure(64 << 10, 100);
  measure(1 << 20, 50);
  measure((size_t)64 << 20, 4);
  int bad = 0;
  for (int l = 1; l < levels - 1; ++l) bad |= count_replays(l);
  for (int l = 0; l < levels; ++l)
    for (int r = 0; r < ranks; ++r) all[l].destroy(all[l].comms[r]);
  return bad;
}
