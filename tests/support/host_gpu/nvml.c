// SPDX-License-Identifier: Apache-2.0
/* An NVML of four GPUs with two NVLinks to each other one, of which a file (P2PLAB_TEST_LOST) says what is lost: "pair 1 2", "lane 0 3" (one of the
   two links), "gpu 3", a line each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { gpus = 4, links = 2 * (gpus - 1), lost = 15, wrong = 2 };

typedef struct {
  char legacy[16];
  unsigned domain, bus, device, id, subsystem;
  char bus_id[32];
} place;

static int is_lost(const char* what, int one, int other) {
  const char* path = getenv("P2PLAB_TEST_LOST");
  FILE* file = path == NULL ? NULL : fopen(path, "r");
  char word[16];
  int a = 0, b = 0, found = 0;
  if (file == NULL) return 0;
  while (fscanf(file, "%15s", word) == 1) {
    const int numbers = strcmp(word, "gpu") == 0 ? fscanf(file, "%d", &a) : fscanf(file, "%d %d", &a, &b);
    if (numbers < 1 || strcmp(word, what) != 0) continue;
    if (numbers == 1 ? a == one : (a == one && b == other) || (a == other && b == one)) found = 1;
  }
  fclose(file);
  return found;
}
static int number(void* device) { return (int)(size_t)device - 1; }
static int peer_of(int gpu, unsigned link) { return (int)link / 2 < gpu ? (int)link / 2 : (int)link / 2 + 1; }
static int write_place(int gpu, place* to) {
  memset(to, 0, sizeof *to);
  snprintf(to->bus_id, sizeof to->bus_id, "00000000:%02X:00.0", (unsigned)gpu);
  return 0;
}

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char* text, unsigned size) { return snprintf(text, size, "580"), 0; }
int nvmlDeviceGetCount_v2(unsigned* count) { return *count = gpus, 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) { return *device = (void*)(size_t)(index + 1), 0; }
int nvmlDeviceGetName(void* device, char* text, unsigned size) { return (void)device, snprintf(text, size, "GPU"), 0; }
int nvmlDeviceGetUUID(void* device, char* text, unsigned size) { return snprintf(text, size, "GPU-%d", number(device)), 0; }
int nvmlDeviceGetPciInfo_v3(void* device, place* to) { return is_lost("gpu", number(device), -1) ? lost : write_place(number(device), to); }
int nvmlDeviceGetCudaComputeCapability(void* device, int* major, int* minor) { return (void)device, *major = 9, *minor = 0, 0; }
int nvmlDeviceGetNvLinkState(void* device, unsigned link, unsigned* active) {
  const int gpu = number(device);
  if (is_lost("gpu", gpu, -1)) return lost;
  if (link >= links) return wrong;
  *active = !is_lost("pair", gpu, peer_of(gpu, link)) && !(link % 2 == 1 && is_lost("lane", gpu, peer_of(gpu, link)));
  return 0;
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(void* device, unsigned link, place* to) { return write_place(peer_of(number(device), link), to); }
