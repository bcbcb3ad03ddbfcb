// SPDX-License-Identifier: Apache-2.0
// NVML's counters of NVLinks: own declarations, as NVML has kept them since driver 450; of single links since 535.
#include <array>
#include <string>
#include <utility>

#include "detect/nvml_questions.h"

namespace p2plab::detect {

namespace {

using Unknown = NvmlQuestions::Device;

// Two counters of NVML, over all links of a GPU that are up.
void ask_errors(NvmlQuestions& all, Library& library) {
  constexpr int replays_and_recoveries = 0;  // and the next one
  constexpr int crc_of_flits_and_data = 2;
  auto asked = library.find<int(Unknown, unsigned, int, unsigned long long*)>("nvmlDeviceGetNvLinkErrorCounter");
  auto state = library.find<int(Unknown, unsigned, unsigned*)>("nvmlDeviceGetNvLinkState");
  for (const auto& [what, first] : {std::pair{reading::nvlink_errors, replays_and_recoveries}, {reading::nvlink_crc_errors, crc_of_flits_and_data}}) {
    all.of_gpu.push_back({what, "nvmlDeviceGetNvLinkErrorCounter", [asked, state, first = first](Unknown gpu, std::string& value) {
                            if (!asked || !state) return not_found;
                            unsigned long long sum = 0;
                            int code = 0;
                            bool told = false;
                            unsigned active = 0;
                            for (unsigned link = 0; link < 36 && state(gpu, link, &active) == 0; ++link) {
                              for (int counter = first; active != 0 && counter < first + 2; ++counter) {
                                unsigned long long count = 0;
                                const int answer = asked(gpu, link, counter, &count);
                                if (answer != 0) code = answer;
                                if (answer == 0) told = true;
                                sum += answer == 0 ? count : 0;
                              }
                            }
                            if (told) value = std::to_string(sum);
                            return told ? 0 : code;
                          }});
  }
}

// Counters of each link, by NVML's numbers of them, since the driver was loaded.
void ask_each_link(NvmlQuestions& all, Library& library) {
  struct Field {  // nvmlFieldValue_t
    unsigned field = 0;
    unsigned scope = 0;  // a link's number
    long long time = 0;
    long long latency = 0;
    int type = 0;
    int code = 0;
    unsigned long long value = 0;
  };
  static_assert(sizeof(Field) == 40);
  struct Counter {
    unsigned field;
    const char* name;
  };
  static constexpr std::array counters{Counter{161, "replays"}, Counter{162, "recoveries"}, Counter{163, "crc"}, Counter{138, "sent_kib"},
                                       Counter{139, "received_kib"}};
  auto asked = library.find<int(Unknown, int, Field*)>("nvmlDeviceGetFieldValues");
  auto state = library.find<int(Unknown, unsigned, unsigned*)>("nvmlDeviceGetNvLinkState");
  all.of_gpu.push_back({reading::nvlink_counters, "nvmlDeviceGetFieldValues", [asked, state](Unknown gpu, std::string& value) {
                          if (!asked || !state) return not_found;
                          int code = 3;  // nothing is told
                          unsigned active = 0;
                          for (unsigned link = 0; link < 36 && state(gpu, link, &active) == 0; ++link) {
                            if (active == 0) continue;
                            std::array<Field, counters.size()> fields{};
                            for (std::size_t i = 0; i < fields.size(); ++i) fields[i] = {.field = counters[i].field, .scope = link};
                            if (const int answer = asked(gpu, static_cast<int>(fields.size()), fields.data()); answer != 0) return answer;
                            std::string told;
                            for (std::size_t i = 0; i < fields.size(); ++i) {
                              if (fields[i].code == 0) told += std::string{" "} + counters[i].name + "=" + std::to_string(fields[i].value);
                            }
                            if (told.empty()) continue;
                            value += (value.empty() ? "" : "; ") + std::to_string(link) + ":" + told;
                            code = 0;
                          }
                          return code;
                        }});
}

}  // namespace

void ask_links(NvmlQuestions& all, Library& library) {
  ask_errors(all, library);
  ask_each_link(all, library);
}

}  // namespace p2plab::detect
