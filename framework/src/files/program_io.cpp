// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/program_io.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "files/json_values.h"
#include "p2plab/detail/text.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/program/check.h"
#include "p2plab/program/epilogue.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/program/plan_io.h"

namespace p2plab {

namespace {

// "i0+128 s1+0@3": buffer letter, rank, byte offset, and the explicit route where there is one.
std::string text_of(std::span<const Operand> operands) {
  std::string text;
  for (const auto& operand : operands) {
    fmt::format_to(std::back_inserter(text), "{}{}{}+{}", text.empty() ? "" : " ", buffer_letters[static_cast<std::size_t>(operand.buffer)],
                   operand.rank.value, operand.offset);
    if (operand.route != default_route) fmt::format_to(std::back_inserter(text), "@{}", operand.route.value);
  }
  return text;
}

Json memory_json(const Program& program) {
  Json rows = Json::array();
  for (const auto& memory : program.memory)
    rows.push_back({memory.input.count(), memory.output.count(), memory.scratch.count(), memory.host.count()});
  return rows;
}

Json routes_json(const Program& program) {
  Json rows = Json::array();
  for (std::size_t i = 0; i + 1 < program.route_offsets.size(); ++i) {
    Json links = Json::array();
    for (const auto link : program.route(RouteId{static_cast<std::int64_t>(i)})) links.push_back(link.value);
    rows.push_back(std::move(links));
  }
  return rows;
}

Json instruction_json(const Program& program, const Instruction& instruction) {
  Json waits = Json::array();
  for (const auto& wait : program.waits_of(instruction)) waits.push_back({wait.lane.value, wait.instruction});
  return {instruction.step.value,
          instruction.bytes,
          text_of(program.sources(instruction)),
          text_of(program.destinations(instruction)),
          instruction.divides ? instruction.divisor : 0,
          instruction.signals,
          std::move(waits)};
}

Json lanes_json(const Program& program) {
  Json rows = Json::array();
  for (const auto& lane : program.lanes) {
    Json instructions = Json::array();
    for (auto i = lane.first; i < lane.first + lane.count; ++i) instructions.push_back(instruction_json(program, program.instructions[i]));
    rows.push_back({lane.rank.value, std::move(instructions)});
  }
  return rows;
}

constexpr std::array<std::pair<const char*, bool Epilogue::*>, 5> epilogue_flags{{{"residual", &Epilogue::residual},
                                                                                  {"weight", &Epilogue::weight},
                                                                                  {"bias", &Epilogue::bias},
                                                                                  {"gives_sum", &Epilogue::gives_sum},
                                                                                  {"gives_norm", &Epilogue::gives_norm}}};

Json epilogue_json(const Epilogue& epilogue) {
  Json json{{"hidden", epilogue.hidden},
            {"norm", to_string(epilogue.norm)},
            {"epsilon", fmt::format("{}", epilogue.epsilon)},
            {"float8", to_string(epilogue.float8)}};
  for (const auto& [key, member] : epilogue_flags) json[key] = epilogue.*member;
  return json;
}

// Reads the parts of a program file; the first mistake is in `mistake`.
class ProgramReader {
 public:
  ProgramReader(const nlohmann::json& document, std::string_view text, const std::string& filename)
      : mistake_{filename, text}, root_(&document, &mistake_) {}

  Result<ProgramFile> run() {
    root_.expect_keys(
        {"p2plab_program", "tuning", "payload", "in_place", "fingerprint", "topology", "collective", "memory", "routes", "lanes", "epilogue?"});
    root_["p2plab_program"].version(1, "program files");
    if (mistake_.error) return *std::move(mistake_.error);
    auto topology = read_topology(root_["topology"].string(), mistake_.filename + ": topology");
    if (!topology) return std::move(topology).error();
    if (const auto right = topology->fingerprint(); root_["fingerprint"].string() != right) {
      root_["fingerprint"].fail(fmt::format("the topology in this file has the fingerprint '{}'", right));
    }
    program_.payload = read_payload(root_["payload"]);
    program_.tuning = read_tuning(root_["tuning"]);
    program_.in_place = root_["in_place"].boolean();
    program_.collective = read_collective(root_["collective"]);
    read_memory();
    read_routes();
    read_lanes();
    if (root_["epilogue"].present()) read_epilogue(root_["epilogue"]);
    if (mistake_.error) return *std::move(mistake_.error);
    if (auto good = check(*topology, program_); !good) {
      auto error = std::move(good).error();
      if (!error.where) error.where = SourceLocation{mistake_.filename};
      return error;
    }
    program_.packets = choose_packets(program_, PeerAccess(*topology));
    return ProgramFile{*std::move(topology), std::move(program_)};
  }

 private:
  void read_memory() {
    const auto rows = root_["memory"];
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const auto sizes = rows.at(r).integers(0, Payload::most_bytes);
      if (sizes.size() != 4) return rows.at(r).fail("expected the bytes of input, output, scratch and host");
      program_.memory.push_back({Bytes{sizes[0]}, Bytes{sizes[1]}, Bytes{sizes[2]}, Bytes{sizes[3]}});
    }
  }

  void read_epilogue(const JsonValue& value) {
    value.expect_keys({"hidden", "norm", "epsilon", "float8", "residual", "weight", "bias", "gives_sum", "gives_norm"});
    Epilogue epilogue{.hidden = value["hidden"].integer(1, Epilogue::most_hidden)};
    const auto norm = norm_kind(value["norm"].string());
    const auto float8 = float8_kind(value["float8"].string());
    if (!norm) value["norm"].fail(norm.error().message);
    if (!float8) value["float8"].fail(float8.error().message);
    const auto epsilon = value["epsilon"].string();
    const auto [rest, fault] = std::from_chars(epsilon.data(), epsilon.data() + epsilon.size(), epilogue.epsilon);
    if (fault != std::errc{} || rest != epsilon.data() + epsilon.size()) value["epsilon"].fail("expected a decimal number in a string");
    if (mistake_.error) return;
    epilogue.norm = *norm;
    epilogue.float8 = *float8;
    for (const auto& [key, member] : epilogue_flags) epilogue.*member = value[key].boolean();
    program_.epilogue = std::make_shared<const Epilogue>(epilogue);
  }

  void read_routes() {
    const auto routes = root_["routes"];
    for (std::size_t i = 0; i < routes.size(); ++i) {
      for (const auto link : routes.at(i).integers(0, most_links)) program_.route_links.emplace_back(link);
      program_.route_offsets.push_back(static_cast<std::uint32_t>(program_.route_links.size()));
    }
  }

  void read_lanes() {
    const auto lanes = root_["lanes"];
    for (std::size_t l = 0; l < lanes.size() && !mistake_.error; ++l) {
      const auto row = lanes.at(l);
      if (row.size() != 2) return row.fail("expected a rank and its instructions");
      Lane lane{Rank{row.at(0).integer(0, most_ranks)}, static_cast<std::uint32_t>(program_.instructions.size()), 0};
      const auto instructions = row.at(1);
      for (std::size_t i = 0; i < instructions.size() && !mistake_.error; ++i) read_instruction(instructions.at(i));
      lane.count = static_cast<std::uint32_t>(program_.instructions.size()) - lane.first;
      program_.lanes.push_back(lane);
    }
  }

  void read_instruction(const JsonValue& row) {
    if (row.size() != 7) return row.fail("expected step, bytes, sources, destinations, divisor, whether others wait for it, and its waits");
    Instruction instruction{.step = StepId{row.at(0).integer(0, std::numeric_limits<std::int32_t>::max())},
                            .bytes = row.at(1).integer(0, Payload::most_bytes)};
    instruction.operands = static_cast<std::uint32_t>(program_.operands.size());
    instruction.sources = read_operands(row.at(2));
    instruction.destinations = read_operands(row.at(3));
    const auto divisor = row.at(4).integer(0, most_ranks);
    instruction.divides = divisor != 0;
    instruction.divisor = divisor == 0 ? 1 : static_cast<std::int32_t>(divisor);
    instruction.signals = row.at(5).boolean();
    instruction.waits = static_cast<std::uint32_t>(program_.waits.size());
    const auto waits = row.at(6);
    for (std::size_t w = 0; w < waits.size(); ++w) {
      const auto place = waits.at(w).integers(0, std::numeric_limits<std::int32_t>::max());
      if (place.size() != 2) return waits.at(w).fail("expected a lane and an instruction");
      program_.waits.push_back({LaneId{place[0]}, static_cast<std::int32_t>(place[1])});
    }
    instruction.wait_count = static_cast<std::uint32_t>(waits.size());
    program_.instructions.push_back(instruction);
  }

  // Appends the operands that a text lists; how many.
  std::uint16_t read_operands(const JsonValue& value) {
    const auto text = value.string();
    const auto before = program_.operands.size();
    for (std::size_t from = 0, to = 0; to < text.size(); from = to + 1) {
      to = std::min(text.find(' ', from), text.size());
      if (read_operand(std::string_view(text).substr(from, to - from))) continue;
      value.fail("expected operands such as 'i0+128 s1+0@3': i, o, s or h, rank, byte offset, route");
      break;
    }
    const auto count = program_.operands.size() - before;
    if (count > std::numeric_limits<std::uint16_t>::max()) value.fail("more than 65535 operands");
    return static_cast<std::uint16_t>(count);
  }

  bool read_operand(std::string_view word) {
    if (word.empty()) return false;
    const auto buffer = buffer_letters.find(word.front());
    const char* const end = word.data() + word.size();
    std::int32_t rank = -1;
    std::int64_t offset = -1;
    std::int32_t route = default_route.value;
    const auto [plus, rank_fault] = std::from_chars(word.data() + 1, end, rank);
    if (buffer == std::string_view::npos || rank_fault != std::errc{} || rank < 0 || plus == end || *plus != '+') return false;
    auto [next, offset_fault] = std::from_chars(plus + 1, end, offset);
    if (offset_fault != std::errc{} || offset < 0 || offset > Payload::most_bytes) return false;
    if (next != end && *next == '@') {
      const auto [rest, route_fault] = std::from_chars(next + 1, end, route);
      if (route_fault != std::errc{} || route < 0) return false;
      next = rest;
    }
    program_.operands.push_back({Rank{rank}, static_cast<Buffer>(buffer), RouteId{route}, offset});
    return next == end;
  }

  JsonMistake mistake_;
  JsonValue root_;
  Program program_;
};

}  // namespace

std::string write_program(const ProgramFile& file) {
  const auto& [topology, program] = file;
  Json document{{"p2plab_program", 1},
                {"tuning", tuning_json(program.tuning)},
                {"payload", payload_json(program.payload)},
                {"in_place", program.in_place},
                {"fingerprint", topology.fingerprint()},
                {"topology", write_topology(topology)},
                {"collective", collective_json(program.collective)},
                {"memory", memory_json(program)},
                {"routes", routes_json(program)},
                {"lanes", lanes_json(program)}};
  if (program.epilogue) document["epilogue"] = epilogue_json(*program.epilogue);
  return dump(document);
}

Result<ProgramFile> read_program(std::string_view text, const std::string& filename) {
  auto document = parse_json(text, filename);
  if (!document) return std::move(document).error();
  return ProgramReader{*document, text, filename}.run();
}

Result<ProgramFile> load_program(const std::string& path) {
  auto text = read_text_file(path, Bytes{std::int64_t{1} << 30});
  if (!text) return std::move(text).error();
  return read_program(*text, path);
}

}  // namespace p2plab
