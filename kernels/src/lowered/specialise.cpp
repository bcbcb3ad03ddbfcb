// SPDX-License-Identifier: Apache-2.0
#include "lowered/specialise.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace p2plab {

namespace {

// Longer code gains little, and would not fit the instruction cache.
constexpr std::size_t most_waves = 16;
constexpr std::size_t most_sources = 64;
constexpr std::size_t most_made_stores = 96;

struct NumberName {
  DataType type;
  const char* name;
};
constexpr std::array number_names{NumberName{DataType::float16, "Half"},
                                  NumberName{DataType::bfloat16, "BFloat"},
                                  NumberName{DataType::float32, "Float"},
                                  NumberName{DataType::float64, "Double<double>"},
                                  NumberName{DataType::int8, "Whole<std::int8_t>"},
                                  NumberName{DataType::int16, "Whole<std::int16_t>"},
                                  NumberName{DataType::int32, "Whole<std::int32_t>"},
                                  NumberName{DataType::int64, "Double<std::int64_t>"},
                                  NumberName{DataType::uint8, "Whole<std::uint8_t>"},
                                  NumberName{DataType::uint16, "Whole<std::uint16_t>"},
                                  NumberName{DataType::uint32, "Whole<std::uint32_t>"},
                                  NumberName{DataType::uint64, "Double<std::uint64_t>"}};

const char* number_name(const device::KernelChoice& choice) { return std::ranges::find(number_names, choice.type, &NumberName::type)->name; }

std::string combine_name(const device::KernelChoice& choice) {
  if (!choice.reduces) return "Nothing";
  const auto op = choice.op == ReduceOp::average ? ReduceOp::sum : choice.op;
  return fmt::format("Fixed<{}, ReduceOp::{}>", number_name(choice), to_string(op));
}

std::string wire_name(const device::KernelChoice& choice) {
  if (choice.ll128) return "Ll128Wire";
  return choice.lamport ? fmt::format("LamportWire<{}>", size_of(choice.type)) : std::string{"LlWire"};
}

std::string known_rows(const Epilogue& what) {
  return fmt::format("KnownRows<{}, {}, {}, {}, {}, {}, {}>", static_cast<int>(what.norm), static_cast<int>(what.float8), what.residual, what.weight,
                     what.bias, what.gives_sum, what.gives_norm);
}

}  // namespace

bool can_specialise(const LinkedPackets& linked) {
  const auto whole = [](const args::PacketWave& wave) {
    constexpr auto both = args::wave_begins | args::wave_ends;
    return (wave.flags & args::wave_adds) == 0 || (wave.flags & both) == both;
  };
  return linked.columns.size() == 1 && !linked.waves.empty() && linked.waves.size() <= most_waves && linked.sources.size() <= most_sources &&
         !linked.stores.empty() && linked.stores.size() <= most_made_stores && std::ranges::all_of(linked.waves, whole);
}

bool can_specialise(const PacketProgram& program) {
  if (program.columns > 1) return false;
  const std::vector<RankAddresses> anywhere(program.ranks.size());
  for (std::size_t r = 0; r < program.ranks.size(); ++r) {
    if (program.ranks[r].size() > most_sources + most_made_stores) return false;
    const auto linked = link_packets(program, Rank{static_cast<std::int64_t>(r)}, anywhere, program.wire, args::most_packet_width);
    if (!can_specialise(linked)) return false;
  }
  return true;
}

std::string shape_source(const LinkedPackets& linked, const PacketCode& code) {
  int width = 1;
  int stores = 1;
  std::vector<std::string> waves;
  for (const auto& wave : linked.waves) {
    width = std::max<int>(width, wave.count);
    stores = std::max<int>(stores, wave.stores);
    waves.push_back(fmt::format("{{{}, {}, {}, {}, {}, {}}}", wave.first, wave.store, wave.count, wave.stores, wave.flags, wave.lands));
  }
  const int stages = linked.stages.empty() ? 1 : *std::ranges::max_element(linked.stages) + 1;
  const auto landing = std::ranges::find_if(linked.waves, [](const args::PacketWave& wave) { return wave.lands != 0; });
  const auto first_landing = landing - linked.waves.begin();
  std::vector<int> kinds;
  for (const auto store : linked.stores) {
    const bool lands = (store & args::store_lands) != 0;
    kinds.push_back(static_cast<int>(args::store_source(store)) + (lands ? 8 : 0));
  }
  return fmt::format(R"(struct Shape {{
  static constexpr int waves = {};
  static constexpr int sources = {};
  static constexpr int stores = {};
  static constexpr int all_stores = {};
  static constexpr int width = {};
  static constexpr int first_landing = {};
  static constexpr int stages = {};
  static constexpr bool odd = {};
  static constexpr bool once = {};
  static constexpr bool recorded = {};
  static constexpr bool steps = {};
  static constexpr args::PacketWave wave(std::uint32_t i) {{
    constexpr args::PacketWave table[] = {{{}}};
    return table[i];
  }}
  static constexpr std::uint8_t stage(std::uint32_t i) {{
    constexpr std::uint8_t table[] = {{{}}};
    return table[i];
  }}
  static constexpr std::uint8_t store_kind(std::uint32_t i) {{
    constexpr std::uint8_t table[] = {{{}}};
    return table[i];
  }}
}};
)",
                     waves.size(), linked.sources.size(), stores, kinds.size(), width, first_landing, stages, code.odd, code.once, code.recorded,
                     code.steps, fmt::join(waves, ", "), fmt::join(linked.stages, ", "), fmt::join(kinds, ", "));
}

std::string kernel_source(const LinkedPackets& linked, const PacketCode& code) {
  std::string includes = R"(#include "device/arithmetic.cuh"
#include "device/fixed_tables.h"
#include "device/ordering.cuh"
)";
  std::string parameter;
  std::string cluster;
  std::string body = fmt::format("packet_kernel<Gpu, {}>({}{{}}, tables, call);", wire_name(code.choice), combine_name(code.choice));
  if (code.rows) {
    includes += "#include \"rows/fused.h\"\n#include \"rows/row_cluster.cuh\"\n";
    const auto blocks = code.rows->cluster;
    const auto machine = blocks > 1 ? fmt::format("RowCluster<{}, {}>", blocks, code.threads) : std::string{"RowGpu"};
    if (blocks > 1) cluster = fmt::format(" __cluster_dims__({}, 1, 1)", blocks);
    parameter = ",\n            const __grid_constant__ args::EpilogueCall epilogue";
    body = fmt::format(R"(__shared__ alignas(16) float statistics[row_rooms * row_room_words];
  fused_kernel<{}, {}, {}, RowShape<{}, {}, {}, {}, {}>, {}, {}>({}{{}}, tables, call, epilogue,
                                                             static_cast<std::uint32_t>(__cvta_generic_to_shared(statistics)));)",
                       machine, wire_name(code.choice), combine_name(code.choice), number_name(code.choice),
                       static_cast<std::uint32_t>(blocks) * code.threads, code.rows->slots, code.rows->whole, known_rows(code.rows->what),
                       code.rows->packets, code.rows->taken, combine_name(code.choice));
  }
  return fmt::format(R"({}namespace p2plab::device {{
{}
extern "C" __global__ void{} __launch_bounds__({}, {})
    packets(const __grid_constant__ FixedTables<Shape> tables, const __grid_constant__ args::PacketCall call{}) {{
  {}
}}
}}  // namespace p2plab::device
)",
                     includes, shape_source(linked, code), cluster, code.threads, code.blocks_per_processor, parameter, body);
}

std::vector<std::uint64_t> packet_parameters(const LinkedPackets& linked) {
  std::vector<std::uint64_t> words;
  for (const auto& source : linked.sources) words.push_back(source.address);
  for (const auto store : linked.stores) words.push_back(store & args::store_address);
  for (std::size_t i = 0; i < linked.sources.size(); i += 2) {
    const std::uint64_t next = i + 1 < linked.sources.size() ? linked.sources[i + 1].bytes : 0;
    words.push_back(linked.sources[i].bytes | next << 32);
  }
  return words;
}

}  // namespace p2plab
