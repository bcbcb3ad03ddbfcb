// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "importers/mscclpp_file.h"
#include "p2plab/detail/text.h"

namespace p2plab {

namespace {

using PlanJson = nlohmann::json;

constexpr std::int64_t most_plan_units = 1 << 20;
constexpr std::int64_t most_plan_bytes = std::int64_t{1} << 40;

// Reads the JSON; the first mistake is kept, with where it is.
class PlanReader : public PlanFileHead {
 public:
  explicit PlanReader(const PlanJson& plan) : plan_(plan) {}

  bool read() {
    where_ = "the plan";
    using enum CollectiveKind;
    static const std::map<std::string, CollectiveKind> kinds{
        {"allreduce", all_reduce}, {"allgather", all_gather}, {"reducescatter", reduce_scatter}, {"alltoall", all_to_all}};
    const auto kind = kinds.find(text(plan_, "collective"));
    if (kind == kinds.end())
      return fail(fmt::format("its collective is {}; known are allreduce, allgather, reducescatter, alltoall", quoted(text(plan_, "collective"))));
    collective = kind->second;
    in_place = plan_.value("inplace", PlanJson(false)) == true;
    name = text(plan_, "name");
    protocol = text(plan_, "protocol") == "LL" ? Protocol::ll : Protocol::simple;
    from = Bytes{number(plan_, "min_message_size", most_plan_bytes, 0)};
    to = Bytes{bound("max_message_size") + 1};
    const auto& gpus_json = list(plan_, "gpus");
    if (gpus_json.empty() || gpus_json.size() > 512) return fail("it needs 1 to 512 gpus");
    for (const auto& gpu : gpus_json) read_head(gpu);
    for (std::size_t g = 0; g < gpus_json.size() && !mistake; ++g) {
      for (const auto& block : list(gpus_json[g], "threadblocks")) read_block(g, block);
    }
    return !mistake;
  }

  std::optional<std::string> mistake;

 private:
  bool fail(const std::string& what) {
    if (!mistake) mistake = where_ + ": " + what;
    return false;
  }
  static const PlanJson& list(const PlanJson& object, const char* key) {
    static const PlanJson none = PlanJson::array();
    const auto found = object.is_object() ? object.find(key) : object.end();
    return found != object.end() && found->is_array() ? *found : none;
  }
  static std::string text(const PlanJson& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
  }
  std::int64_t number(const PlanJson& value, const char* what, std::int64_t most) {
    if (value.is_number_integer() && value.get<std::int64_t>() >= 0 && value.get<std::int64_t>() <= most) return value.get<std::int64_t>();
    fail(fmt::format("{} must be a whole number from 0 to {}", what, most));
    return 0;
  }
  std::int64_t number(const PlanJson& object, const char* key, std::int64_t most, std::int64_t fallback) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return found == object.end() ? fallback : number(*found, key, most);
  }

  // Without it, MSCCL++ takes the largest number of 64 bits.
  std::int64_t bound(const char* key) const {
    const auto found = plan_.find(key);
    if (found == plan_.end() || !found->is_number_unsigned()) return most_plan_bytes - 1;
    return static_cast<std::int64_t>(std::min<std::uint64_t>(found->get<std::uint64_t>(), most_plan_bytes - 1));
  }

  void read_head(const PlanJson& gpu) {
    where_ = fmt::format("gpu {}", gpus.size());
    auto& head = gpus.emplace_back();
    if (number(gpu, "id", 1024, -1) != static_cast<std::int64_t>(gpus.size()) - 1) fail("its id is another");
    const auto inputs = number(gpu, "input_chunks", most_plan_units, 0);
    const auto outputs = number(gpu, "output_chunks", most_plan_units, 0);
    if (inputs < 1 || outputs < 1) fail("input_chunks and output_chunks must be at least 1");
    buffers.inputs.push_back(inputs);
    buffers.outputs.push_back(outputs);
    for (const auto& group : list(gpu, "channels")) {
      if (text(group, "channel_type") == "switch") fail("channels of a switch (multicast) are not known here");
      for (const auto& peer : list(group, "connected_to")) head.peers.push_back(number(peer, "connected_to", 1023));
    }
    head.arrived.resize(head.peers.size());
    for (const auto& buffer : list(gpu, "remote_buffers"))
      head.remote.emplace_back(number(buffer, "rank", 1023, 0), buffer_type(text(buffer, "type")));
    for (const auto& semaphore : list(gpu, "semaphores")) head.semaphores.push_back(number(semaphore, "init_value", 1 << 20, 0));
  }

  char buffer_type(const std::string& word) {
    if (word == "i" || word == "o" || word == "s") return word[0];
    fail(fmt::format("a buffer is i, o or s, not {}", quoted(word)));
    return 's';
  }

  void read_block(std::size_t g, const PlanJson& json) {
    auto& gpu = gpus[g];
    where_ = fmt::format("gpu {} thread block {}", g, gpu.blocks.size());
    auto& block = gpu.blocks.emplace_back();
    block.channel = static_cast<std::int32_t>(number(json, "p2plab_channel", 1023, 0));
    std::vector<std::size_t> channels;
    for (const auto& group : list(json, "channels")) {
      for (const auto& id : list(group, "channel_ids")) channels.push_back(index(id, gpu.peers.size(), "channel_ids"));
    }
    std::vector<std::size_t> remotes;
    for (const auto& group : list(json, "remote_buffer_refs")) {
      for (const auto& id : list(group, "remote_buffer_ids")) remotes.push_back(index(id, gpu.remote.size(), "remote_buffer_ids"));
    }
    for (const auto& op : list(json, "ops")) {
      if (mistake) return;
      PlanOperation read{.name = text(op, "name"), .sources = {}, .destinations = {}, .channels = {}, .semaphores = {}};
      for (const auto& id : list(op, "channel_ids")) read.channels.push_back(at(channels, index(id, channels.size(), "channel_ids")));
      for (const auto& id : list(op, "semaphore_ids")) read.semaphores.push_back(index(id, gpu.semaphores.size(), "semaphore_ids"));
      read.barrier = static_cast<std::size_t>(number(op, "barrier_id", 1023, 0));
      read.barrier_blocks = number(op, "num_threadblocks", 1023, 1);
      if (read.barrier_blocks < 1) fail("num_threadblocks must be at least 1");
      for (const auto& place : list(op, "src_buff")) read.sources.push_back(place_of(g, place, remotes, read));
      for (const auto& place : list(op, "dst_buff")) read.destinations.push_back(place_of(g, place, remotes, read));
      block.operations.push_back(std::move(read));
    }
  }

  std::size_t index(const PlanJson& value, std::size_t size, const char* what) {
    const auto read = number(value, what, 1 << 20);
    if (!mistake && static_cast<std::size_t>(read) >= size) fail(fmt::format("{} names {} of {}", what, read, size));
    return static_cast<std::size_t>(read);
  }
  static std::size_t at(const std::vector<std::size_t>& list, std::size_t index) { return index < list.size() ? list[index] : 0; }

  UnitPlace place_of(std::size_t g, const PlanJson& json, const std::vector<std::size_t>& remotes, PlanOperation& operation) {
    UnitPlace place{Rank{static_cast<std::int64_t>(g)}, 's', number(json, "index", most_plan_units, 0)};
    const auto count = number(json, "size", most_plan_units, 0);
    if (operation.count == 0) operation.count = count;
    if (count < 1 || count != operation.count) fail("all places of an operation must have the same size, at least 1");
    if (const auto id = json.find("buffer_id"); id != json.end()) {
      const auto which = at(remotes, index(*id, remotes.size(), "buffer_id"));
      if (mistake) return place;
      place.rank = Rank{gpus[g].remote[which].first};
      place.buffer = gpus[g].remote[which].second;
    } else {
      place.buffer = buffer_type(text(json, "type"));
    }
    if (place.rank.index() >= gpus.size()) fail("a remote buffer of a rank that does not exist");
    // In place, the input lies in the output: there it is named, so that it may be written.
    if (!mistake && in_place && place.buffer == 'i' && collective == CollectiveKind::all_reduce) place.buffer = 'o';
    if (!mistake && in_place && place.buffer == 'i' && collective == CollectiveKind::all_gather)
      place = {place.rank, 'o', place.first + place.rank.value * buffers.inputs[place.rank.index()]};
    return place;
  }

  const PlanJson& plan_;
  std::string where_;
};

}  // namespace

std::variant<PlanFileHead, std::string> read_mscclpp(std::string_view text) {
  const auto plan = PlanJson::parse(text.begin(), text.end(), nullptr, false);
  if (!plan.is_object()) return "not JSON: no execution plan of MSCCL++";
  PlanReader reader(plan);
  if (!reader.read()) return *reader.mistake;
  return PlanFileHead{std::move(reader)};
}

}  // namespace p2plab
