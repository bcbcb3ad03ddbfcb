// SPDX-License-Identifier: Apache-2.0
// NVML's questions about how a GPU is: own declarations, as NVML has kept them since driver 450.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "detect/gather.h"
#include "detect/nvml_questions.h"
#include "detect/readings.h"

namespace p2plab {

namespace {

using Unknown = NvmlQuestions::Device;
using detect::not_found;

// Questions whose answer is one number behind a pointer.
template <class Number, class... Before>
void ask_number(NvmlQuestions& all, detect::Library& library, std::string_view what, const char* function, Before... before) {
  auto asked = library.find<int(Unknown, Before..., Number*)>(function);
  all.of_gpu.push_back({what, function, [asked, before...](Unknown gpu, std::string& value) {
                          Number number{};
                          const int code = asked ? asked(gpu, before..., &number) : not_found;
                          if (code == 0) value = std::to_string(number);
                          return code;
                        }});
}

// The first, or the last, of several numbers in a row.
template <class Number, std::size_t Count>
void ask_struct(NvmlQuestions& all, detect::Library& library, std::string_view what, const char* function, std::size_t which) {
  auto asked = library.find<int(Unknown, std::array<Number, Count>*)>(function);
  all.of_gpu.push_back({what, function, [asked, which](Unknown gpu, std::string& value) {
                          std::array<Number, Count> numbers{};
                          const int code = asked ? asked(gpu, &numbers) : not_found;
                          if (code == 0) value = std::to_string(numbers[which]);
                          return code;
                        }});
}

void ask_memory_faults(NvmlQuestions& all, detect::Library& library) {
  auto asked = library.find<int(Unknown, unsigned*, unsigned*, unsigned*, unsigned*)>("nvmlDeviceGetRemappedRows");
  for (const auto& [what, which] : {std::pair{reading::remap_pending, 2}, {reading::remap_failed, 3}}) {
    all.of_gpu.push_back({what, "nvmlDeviceGetRemappedRows", [asked, which = which](Unknown gpu, std::string& value) {
                            std::array<unsigned, 4> rows{};
                            const int code = asked ? asked(gpu, rows.data(), &rows[1], &rows[2], &rows[3]) : not_found;
                            if (code == 0) value = std::to_string(rows[static_cast<std::size_t>(which)]);
                            return code;
                          }});
  }
  auto mode = library.find<int(Unknown, unsigned*, unsigned*)>("nvmlDeviceGetMigMode");
  all.of_gpu.push_back({reading::mig, "nvmlDeviceGetMigMode", [mode](Unknown gpu, std::string& value) {
                          unsigned now = 0;
                          unsigned later = 0;
                          const int code = mode ? mode(gpu, &now, &later) : not_found;
                          if (code == 0) value = std::to_string(now);
                          return code;
                        }});
}

void ask_fabric(NvmlQuestions& all, detect::Library& library) {
  struct Fabric {  // nvmlGpuFabricInfo_t
    unsigned char cluster[16];
    int status;
    unsigned clique;
    unsigned char state;
  };
  auto asked = library.find<int(Unknown, Fabric*)>("nvmlDeviceGetGpuFabricInfo");
  all.of_gpu.push_back({reading::fabric_state, "nvmlDeviceGetGpuFabricInfo", [asked](Unknown gpu, std::string& value) {
                          Fabric fabric{};
                          const int code = asked ? asked(gpu, &fabric) : not_found;
                          if (code == 0) value = std::to_string(fabric.state);
                          return code;
                        }});
}

void ask_processes(NvmlQuestions& all, detect::Library& library) {
  struct Process {  // nvmlProcessInfo_v2_t
    unsigned number;
    unsigned long long memory;
    unsigned gpu_instance;
    unsigned compute_instance;
  };
  auto asked = library.find<int(Unknown, unsigned*, Process*)>("nvmlDeviceGetComputeRunningProcesses_v3");
  auto name = library.find<int(unsigned, char*, unsigned)>("nvmlSystemGetProcessName");
  all.of_gpu.push_back({reading::processes, "nvmlDeviceGetComputeRunningProcesses", [asked, name](Unknown gpu, std::string& value) {
                          std::array<Process, 64> found{};
                          auto count = static_cast<unsigned>(found.size());
                          const int code = asked ? asked(gpu, &count, found.data()) : not_found;
                          if (code != 0) return code;
                          for (unsigned i = 0; i < std::min<unsigned>(count, found.size()); ++i) {
                            if (found[i].number == static_cast<unsigned>(getpid())) continue;
                            std::array<char, 128> text{};
                            if (name) name(found[i].number, text.data(), static_cast<unsigned>(text.size()) - 1);
                            // The program alone: its arguments are nobody's business.
                            std::string program = text.data();
                            program = program.substr(0, program.find(' '));
                            program = program.substr(program.find_last_of('/') + 1);
                            value += (value.empty() ? "" : ", ") + std::to_string(found[i].number) + (program.empty() ? "" : " " + program);
                          }
                          return 0;
                        }});
}

void ask_peers(NvmlQuestions& all, detect::Library& library) {
  auto asked = library.find<int(Unknown, Unknown, int, int*)>("nvmlDeviceGetP2PStatus");
  for (const auto& [what, index] : {std::pair{reading::peer_read, 0}, {reading::peer_write, 1}}) {
    all.of_pair.push_back({what, "nvmlDeviceGetP2PStatus", [asked, index = index](Unknown a, Unknown b, std::string& value) {
                             int status = 0;
                             const int code = asked ? asked(a, b, index, &status) : not_found;
                             if (code == 0) value = std::to_string(status);
                             return code;
                           }});
  }
}

// What NVML answers instead of a value.
std::string answer_words(int code) {
  switch (code) {
    case 3: return "this GPU or driver does not tell";
    case 4: return "no permission";
    case not_found: return "the driver's NVML has no such function";
    default: return "NVML answers with code " + std::to_string(code);
  }
}

}  // namespace

Result<NvmlQuestions> NvmlQuestions::load() {
  detect::Library library("libnvidia-ml.so.1");
  if (!library.loaded()) return Error{ErrorCode::no_device, "libnvidia-ml.so.1 was not found: NVIDIA's driver is not installed"};
  using Place = NvmlFunctions::PciInfo;
  NvmlQuestions all{.init = library.find<int()>("nvmlInit_v2"),
                    .shutdown = library.find<int()>("nvmlShutdown"),
                    .device_count = library.find<int(unsigned*)>("nvmlDeviceGetCount_v2"),
                    .device = library.find<int(unsigned, Unknown*)>("nvmlDeviceGetHandleByIndex_v2"),
                    .bus_id = {}};
  auto place = library.find<int(Unknown, Place*)>("nvmlDeviceGetPciInfo_v3");
  if (!library.missing().empty()) return Error{ErrorCode::no_device, "libnvidia-ml.so.1 has no " + library.missing() + ": the driver is too old"};
  all.bus_id = [place](Unknown gpu, std::string& text) {
    Place found{};
    const int code = place(gpu, &found);
    if (code == 0) text = found.bus_id.data();
    return code;
  };
  ask_number<int>(all, library, reading::performance_state, "nvmlDeviceGetPerformanceState");
  ask_number<unsigned>(all, library, reading::pcie_generation_possible, "nvmlDeviceGetMaxPcieLinkGeneration");
  ask_number<unsigned>(all, library, reading::pcie_width_possible, "nvmlDeviceGetMaxPcieLinkWidth");
  ask_number<unsigned>(all, library, reading::pcie_replays, "nvmlDeviceGetPcieReplayCounter");
  ask_struct<unsigned long long, 3>(all, library, reading::memory_total, "nvmlDeviceGetMemoryInfo", 0);
  ask_struct<unsigned long long, 3>(all, library, reading::memory_used, "nvmlDeviceGetMemoryInfo", 2);
  ask_number<unsigned>(all, library, reading::processor_clock, "nvmlDeviceGetClockInfo", 1);
  ask_number<unsigned long long>(all, library, reading::throttle, "nvmlDeviceGetCurrentClocksThrottleReasons");
  ask_number<unsigned>(all, library, reading::temperature, "nvmlDeviceGetTemperature", 0);
  ask_number<int>(all, library, reading::persistence, "nvmlDeviceGetPersistenceMode");
  ask_number<int>(all, library, reading::compute_mode, "nvmlDeviceGetComputeMode");
  ask_number<unsigned long long>(all, library, reading::ecc_uncorrected, "nvmlDeviceGetTotalEccErrors", 1, 0);
  ask_memory_faults(all, library);
  ask_fabric(all, library);
  detect::ask_links(all, library);
  ask_processes(all, library);
  ask_peers(all, library);
  return all;
}

namespace detect {

namespace {

struct SeenByNvml {
  std::string bus_id;
  NvmlQuestions::Device device = nullptr;
};

void answer(MachineFacts& facts, Reading one, int code, std::string value) {
  if (code == 0)
    one.value = std::move(value);
  else
    one.missing = answer_words(code);
  facts.readings.push_back(std::move(one));
}

}  // namespace

void add_nvml_readings(MachineFacts& facts, const ReadingSources& sources) {
  const auto nvml = sources.nvml();
  const int code = nvml ? nvml->init() : 0;
  if (!nvml || code != 0) {
    const auto why = nvml ? "nvmlInit_v2 fails with code " + std::to_string(code) : nvml.error().message;
    for (const auto& bus_id : gpu_bus_ids(facts))
      facts.readings.push_back({.subject = bus_id, .what = std::string{reading::performance_state}, .source = "NVML", .missing = why});
    return;
  }
  std::vector<SeenByNvml> gpus;
  unsigned count = 0;
  if (nvml->device_count(&count) != 0) count = 0;
  for (unsigned d = 0; d < count; ++d) {
    SeenByNvml gpu;
    std::string place;
    if (nvml->device(d, &gpu.device) != 0 || nvml->bus_id(gpu.device, place) != 0) continue;
    gpu.bus_id = short_bus_id(place);
    gpus.push_back(std::move(gpu));
  }
  for (const auto& gpu : gpus) {
    for (const auto& question : nvml->of_gpu) {
      std::string value;
      const int told = question.ask(gpu.device, value);
      answer(facts, {.subject = gpu.bus_id, .what = std::string{question.what}, .source = question.source}, told, std::move(value));
    }
  }
  for (const auto& a : gpus) {
    for (const auto& b : gpus) {
      if (a.device == b.device) continue;
      for (const auto& question : nvml->of_pair) {
        std::string value;
        const int told = question.ask(a.device, b.device, value);
        answer(facts, {.subject = a.bus_id + " " + b.bus_id, .what = std::string{question.what}, .source = question.source}, told, std::move(value));
      }
    }
  }
  nvml->shutdown();
}

}  // namespace detect

void add_readings(MachineFacts& facts, const ReadingSources& sources) {
  detect::add_device_readings(facts, sources.root);
  detect::add_limit_readings(facts, sources.root);
  detect::add_environment_readings(facts, sources);
  detect::add_nvml_readings(facts, sources);
}

}  // namespace p2plab
