// SPDX-License-Identifier: Apache-2.0
// MSCCL's XML as a value. pugixml stays in this file; it neither expands entities nor follows references.
#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "importers/msccl_file.h"
#include "p2plab/detail/text.h"
#include "p2plab/program/importer.h"
#include "p2plab/schedule/payload.h"

namespace p2plab {

namespace {

constexpr std::int64_t most_gpus = 512;
constexpr std::int64_t most_blocks = 1 << 16;
constexpr std::int64_t most_units = 1 << 20;
constexpr std::int64_t most_count = 1 << 16;
constexpr std::size_t most_steps = 1 << 20;
constexpr std::size_t longest_algorithm = std::size_t{64} << 20;

using Kind = MscclMicro::Kind;

class MscclReader {
 public:
  MscclReader(std::string_view text, const std::string& filename) : text_(text), filename_(filename) {}

  Result<MscclFile> run() {
    pugi::xml_document document;
    const auto parsed = document.load_buffer(text_.data(), text_.size(), pugi::parse_default | pugi::parse_doctype, pugi::encoding_utf8);
    if (!parsed)
      return at(static_cast<std::size_t>(std::max<std::ptrdiff_t>(parsed.offset, 0)), fmt::format("not valid XML: {}", parsed.description()));
    const auto algo = document.child("algo");
    if (!algo) return Error{ErrorCode::invalid_input, "no <algo> element: this is no algorithm of MSCCL", SourceLocation{filename_}};
    read_algo(algo);
    for (const auto& gpu : algo.children("gpu")) {
      if (!error_) read_gpu(gpu);
    }
    if (!error_ && static_cast<std::int64_t>(file_.gpus.size()) != gpus_)
      fail(algo, fmt::format("ngpus is {}, but there are {} <gpu> elements", gpus_, file_.gpus.size()));
    if (error_) return *std::move(error_);
    return std::move(file_);
  }

 private:
  Error at(std::size_t offset, std::string message) const { return {ErrorCode::invalid_input, std::move(message), locate(text_, offset, filename_)}; }
  static std::size_t origin(const pugi::xml_node& node) { return static_cast<std::size_t>(std::max<std::ptrdiff_t>(node.offset_debug(), 0)); }
  void fail(const pugi::xml_node& node, std::string message) {
    if (!error_) error_ = at(origin(node), std::move(message));
  }

  std::int64_t integer(const pugi::xml_node& node, const char* name, std::int64_t least, std::int64_t most) {
    const std::string_view text = node.attribute(name).value();
    std::int64_t value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault == std::errc{} && end == text.data() + text.size() && !text.empty() && value >= least && value <= most) return value;
    fail(node, fmt::format("{} of <{}> must be a whole number from {} to {}, got {}", name, node.name(), least, most, quoted(text)));
    return least;
  }

  template <class T>
  T word(const pugi::xml_node& node, const char* name, const std::map<std::string, T>& words) {
    const auto found = words.find(node.attribute(name).value());
    if (found != words.end()) return found->second;
    std::string known;
    for (const auto& [text, value] : words) known += (known.empty() ? "" : ", ") + text;
    fail(node, fmt::format("{} of <{}> is {}; known are {}", name, node.name(), quoted(std::string_view(node.attribute(name).value())), known));
    return words.begin()->second;
  }

  void read_algo(const pugi::xml_node& algo) {
    using enum CollectiveKind;
    file_.collective = word<CollectiveKind>(algo, "coll",
                                            {{"allreduce", all_reduce},
                                             {"allgather", all_gather},
                                             {"reduce_scatter", reduce_scatter},
                                             {"reducescatter", reduce_scatter},
                                             {"alltoall", all_to_all}});
    file_.protocol = word<Protocol>(algo, "proto", {{"Simple", Protocol::simple}, {"LL", Protocol::ll}, {"LL128", Protocol::ll128}});
    file_.name = algo.attribute("name").value();
    gpus_ = integer(algo, "ngpus", 1, most_gpus);
    file_.in_place = integer(algo, "inplace", 0, 1) == 1;
    if (algo.attribute("minBytes")) file_.from = integer(algo, "minBytes", 0, Payload::most_bytes);
    file_.to = algo.attribute("maxBytes") ? integer(algo, "maxBytes", 0, Payload::most_bytes) : std::int64_t{1} << 27;
  }

  void read_gpu(const pugi::xml_node& gpu) {
    const auto id = integer(gpu, "id", 0, gpus_ - 1);
    if (id != static_cast<std::int64_t>(file_.gpus.size())) fail(gpu, fmt::format("GPU {} was expected here", file_.gpus.size()));
    rank_ = Rank{id};
    auto inputs = integer(gpu, "i_chunks", 0, most_units);
    auto outputs = integer(gpu, "o_chunks", 0, most_units);
    // In place, files leave out the buffer that lies within the other.
    if (file_.in_place && file_.collective == CollectiveKind::all_reduce) inputs = outputs = std::max(inputs, outputs);
    file_.buffers.inputs.push_back(inputs);
    file_.buffers.outputs.push_back(outputs);
    file_.scratch.push_back(integer(gpu, "s_chunks", 0, most_units));
    auto& blocks = file_.gpus.emplace_back();
    for (const auto& tb : gpu.children("tb")) {
      if (error_) return;
      if (integer(tb, "id", 0, most_blocks) != static_cast<std::int64_t>(blocks.size()))
        fail(tb, fmt::format("thread block {} was expected here", blocks.size()));
      auto& block = blocks.emplace_back();
      block.send = static_cast<std::int32_t>(integer(tb, "send", -1, gpus_ - 1));
      block.receive = static_cast<std::int32_t>(integer(tb, "recv", -1, gpus_ - 1));
      block.channel = static_cast<std::int32_t>(integer(tb, "chan", 0, 1023));
      if (block.send == id || block.receive == id) fail(tb, "a GPU is no peer of its own");
      for (const auto& step : tb.children("step")) {
        if (!error_) read_step(step, block);
      }
    }
    check_waits(gpu, blocks);
  }

  void check_waits(const pugi::xml_node& gpu, const std::vector<MscclFileBlock>& blocks) {
    for (const auto& block : blocks) {
      for (const auto& step : block.steps) {
        if (step.after_block < 0) continue;
        const auto awaited = static_cast<std::size_t>(step.after_block);
        if (awaited < blocks.size() && static_cast<std::size_t>(step.after_step) < blocks[awaited].steps.size()) continue;
        if (!error_)
          error_ = at(step.origin, fmt::format("it waits for step {} of thread block {}, which GPU {} has not", step.after_step, step.after_block,
                                               gpu.attribute("id").value()));
      }
    }
  }

  // In place, the input lies in the output: there it is named, so that it may be written.
  UnitPlace place(const pugi::xml_node& step, const char* buffer, const char* offset) {
    UnitPlace at{rank_, word<char>(step, buffer, {{"i", 'i'}, {"o", 'o'}, {"s", 's'}}), integer(step, offset, -1, most_units)};
    if (!file_.in_place || at.buffer != 'i') return at;
    if (file_.collective == CollectiveKind::all_reduce) at.buffer = 'o';
    if (file_.collective == CollectiveKind::all_gather) at = {rank_, 'o', at.first + rank_.value * file_.buffers.inputs[rank_.index()]};
    return at;
  }

  void read_step(const pugi::xml_node& step, MscclFileBlock& block) {
    if (integer(step, "s", 0, most_steps) != static_cast<std::int64_t>(block.steps.size()))
      fail(step, fmt::format("step {} was expected here", block.steps.size()));
    if (++steps_ > most_steps) return fail(step, fmt::format("more than {} steps", most_steps));
    MscclFileStep read{.parts = {}, .count = integer(step, "cnt", 0, most_count), .origin = origin(step)};
    read.after_block = static_cast<std::int32_t>(integer(step, "depid", -1, most_blocks));
    read.after_step = static_cast<std::int32_t>(integer(step, "deps", -1, most_steps));
    const auto from = place(step, "srcbuf", "srcoff");
    const auto to = place(step, "dstbuf", "dstoff");
    static const std::map<std::string, std::vector<Kind>> kinds{{"s", {Kind::send}},
                                                                {"r", {Kind::receive}},
                                                                {"rcs", {Kind::receive, Kind::send}},
                                                                {"rrc", {Kind::receive_add}},
                                                                {"rrcs", {Kind::receive_add, Kind::send}},
                                                                {"rrs", {Kind::receive_add_send}},
                                                                {"cpy", {Kind::copy}},
                                                                {"re", {Kind::add}},
                                                                {"nop", {}}};
    const auto parts = word<std::vector<Kind>>(step, "type", kinds);
    if (!parts.empty() && read.count == 0) fail(step, "cnt is 0: nothing would be moved");
    for (const auto kind : parts) {
      const bool sends = kind == Kind::send || kind == Kind::receive_add_send;
      const bool receives = kind != Kind::send && kind != Kind::copy && kind != Kind::add;
      if (sends && block.send < 0) fail(step, "a send in a thread block that sends to none");
      if (receives && block.receive < 0) fail(step, "a receive in a thread block that receives from none");
      // What was received is sent on from where it was put.
      read.parts.push_back({kind, kind == Kind::send && parts.size() > 1 ? to : from, to});
      for (const auto& [used, where] : {std::pair{kind != Kind::receive, read.parts.back().from}, std::pair{!sends, to}}) {
        if (used && where.buffer == 's' && (where.first < 0 || where.first + read.count > file_.scratch[rank_.index()]))
          fail(step, "a place outside the scratch buffer");
      }
    }
    block.steps.push_back(std::move(read));
  }

  std::string_view text_;
  const std::string& filename_;
  MscclFile file_;
  std::int64_t gpus_ = 0;
  std::size_t steps_ = 0;
  Rank rank_;
  std::optional<Error> error_;
};

}  // namespace

Result<MscclFile> read_msccl(std::string_view text, const std::string& filename) {
  if (text.size() > longest_algorithm) return Error{ErrorCode::invalid_input, "the file is longer than 64 MiB", SourceLocation{filename}};
  return MscclReader{text, filename}.run();
}

Result<ImportedAlgorithm> import_msccl(std::string_view text, const std::string& filename) {
  const auto file = read_msccl(text, filename);
  if (!file) return file.error();
  const auto wrong = [&](const ImportFault& fault) { return Error{ErrorCode::invalid_input, fault.message, locate(text, fault.origin, filename)}; };
  const auto actions = replay_msccl(*file);
  if (const auto* fault = std::get_if<ImportFault>(&actions)) return wrong(*fault);
  auto collective = make_collective(file->collective, static_cast<int>(file->gpus.size()));
  auto schedule = cut_actions(collective, file->buffers, std::get<std::vector<Action>>(actions));
  if (const auto* fault = std::get_if<ImportFault>(&schedule)) return wrong(*fault);
  return ImportedAlgorithm{.schedule = std::get<Schedule>(std::move(schedule)),
                           .name = file->name,
                           .protocol = file->protocol,
                           .in_place = file->in_place,
                           .from = Bytes{file->from},
                           .to = Bytes{file->to}};
}

}  // namespace p2plab
