// SPDX-License-Identifier: Apache-2.0
// Words for what records hold as numbers.
#include <array>

#include "monitor/layout.h"
#include "p2plab/run/monitor.h"

namespace p2plab {

namespace {

constexpr std::array<std::string_view, monitor::kinds> kind_words{"all_reduce", "reduce_scatter", "all_gather",   "broadcast", "reduce",  "gather",
                                                                  "scatter",    "all_to_all",     "send_receive", "send",      "receive", "other"};
constexpr std::array<std::string_view, 12> type_words{"int8",    "uint8",   "int32",   "uint32",   "int64",       "uint64",
                                                      "float16", "float32", "float64", "bfloat16", "float8_e4m3", "float8_e5m2"};
constexpr std::array<std::string_view, 5> op_words{"sum", "product", "max", "min", "average"};
constexpr std::array<std::string_view, 5> backend_words{"", "p2p", "host", "nccl", "cpu"};
constexpr std::uint8_t int16_type = 100;
constexpr std::uint8_t uint16_type = 101;

template <std::size_t N>
std::string_view word(const std::array<std::string_view, N>& words, std::uint8_t number) {
  return number < N ? words[number] : std::string_view{};
}

}  // namespace

std::string_view kind_word(std::uint8_t kind) { return word(kind_words, kind); }
std::string_view type_word(std::uint8_t type) {
  if (type == int16_type) return "int16";
  return type == uint16_type ? "uint16" : word(type_words, type);
}
std::string step_word(std::uint32_t step) {
  if (step == monitor::token_step) return "token";
  return step == monitor::epilogue_step ? "epilogue" : std::to_string(step);
}
std::string_view op_word(std::uint8_t op) { return word(op_words, op); }
std::string_view backend_word(std::uint8_t backend) { return word(backend_words, backend); }
int bytes_of_type(std::uint8_t type) {
  if (type == int16_type || type == uint16_type) return 2;
  return monitor::bytes_of_nccl_type(type);
}

}  // namespace p2plab
