// SPDX-License-Identifier: Apache-2.0
// MSCCL++'s execution plans: MSCCL's thread blocks with their messages as stores into the receiver's memory. A receiver says when its place is free,
// the sender when the data is there; thread blocks of one GPU wait for each other by semaphores.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "exporters/msccl/steps.h"
#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t most_operations = 64;  // of a thread block
constexpr std::size_t most_links = 16;       // channels of a thread block, and semaphores of an operation
constexpr std::int64_t least_too_large = std::int64_t{1} << 31;
constexpr std::int64_t most_message = (std::int64_t{1} << 32) - 1;  // offsets have 32 bits

Error mscclpp_cannot(const std::string& what) { return Error{ErrorCode::unsupported, "MSCCL++: " + what}; }

// A connection: sender, receiver, MSCCL's channel. Both ends list those that they share in one order, by which MSCCL++ pairs them.
struct Connection {
  std::int32_t from;
  std::int32_t to;
  std::int32_t channel;
  friend auto operator<=>(const Connection&, const Connection&) = default;
};

// The operations of one thread block, with a barrier of its threads wherever one must not run ahead of the others.
class Operations {
 public:
  void acquire(const std::vector<int>& semaphores) {
    if (!semaphores.empty()) add({{"name", "sem_acquire"}, {"semaphore_ids", semaphores}}, Kind::waits);
  }
  void release(const std::vector<int>& semaphores) {
    if (!semaphores.empty()) add({{"name", "sem_release"}, {"semaphore_ids", semaphores}}, Kind::tells);
  }
  void signal(int channel) { add({{"name", "signal"}, {"channel_ids", {channel}}, {"channel_type", "memory"}}, Kind::tells); }
  void wait(int channel) { add({{"name", "wait"}, {"channel_ids", {channel}}, {"channel_type", "memory"}}, Kind::waits); }
  void move(Json operation) { add(std::move(operation), Kind::moves); }
  std::size_t size() const { return list_.size(); }
  Json take() && { return std::move(list_); }

 private:
  enum class Kind { tells, waits, moves };
  void add(Json operation, Kind kind) {
    const bool behind = last_ == Kind::moves || (last_ == Kind::waits && kind != Kind::waits);
    if (behind) list_.push_back({{"name", "nop"}});
    list_.push_back(std::move(operation));
    last_ = kind;
  }
  Json list_ = Json::array();
  Kind last_ = Kind::tells;
};

class GpuWriter {
 public:
  GpuWriter(const MscclAlgorithm& algorithm, std::size_t rank) : gpu_(algorithm.gpus[rank]), rank_(static_cast<std::int32_t>(rank)) {
    std::set<std::pair<std::int32_t, Connection>> links;  // by peer
    for (const auto& block : gpu_.blocks) {
      if (block.ends.send >= 0) links.emplace(block.ends.send, sending(block));
      if (block.ends.receive >= 0) links.emplace(block.ends.receive, receiving(block));
    }
    for (const auto& [peer, link] : links) {
      channels_.emplace(link, static_cast<int>(peers_.size()));
      peers_.push_back(peer);
    }
    pair_waits();
  }

  Result<Json> run() {
    Json blocks = Json::array();
    for (std::size_t b = 0; b < gpu_.blocks.size(); ++b) {
      auto block = write_block(b);
      if (!block) return std::move(block).error();
      blocks.push_back(*std::move(block));
    }
    Json gpu{{"id", rank_}, {"input_chunks", gpu_.buffers.input}, {"output_chunks", gpu_.buffers.output}, {"scratch_chunks", gpu_.buffers.scratch}};
    gpu["threadblocks"] = std::move(blocks);
    gpu["channels"] = Json::array();
    if (!peers_.empty()) gpu["channels"].push_back({{"channel_type", "memory"}, {"connected_to", peers_}});
    gpu["remote_buffers"] = Json::array();
    for (const auto& [peer, type] : buffers_)
      gpu["remote_buffers"].push_back({{"rank", peer}, {"type", std::string(1, type)}, {"access_channel_types", {"memory"}}});
    gpu["semaphores"] = Json::array();
    for (std::size_t s = 0; s < semaphores_.size(); ++s) gpu["semaphores"].push_back({{"init_value", 0}});
    return gpu;
  }

 private:
  Connection sending(const MscclBlock& block) const { return {rank_, block.ends.send, block.ends.channel}; }
  Connection receiving(const MscclBlock& block) const { return {block.ends.receive, rank_, block.ends.channel}; }

  // A semaphore for each pair of thread blocks; it counts, so waits that follow from an earlier one of the same pair are left out.
  void pair_waits() {
    std::map<std::pair<std::int32_t, std::int32_t>, std::int32_t> latest;
    for (std::size_t b = 0; b < gpu_.blocks.size(); ++b) {
      const auto& steps = gpu_.blocks[b].steps;
      for (std::size_t s = 0; s < steps.size(); ++s) {
        if (steps[s].after_block < 0) continue;
        const std::pair key{steps[s].after_block, static_cast<std::int32_t>(b)};
        const auto [known, fresh] = latest.try_emplace(key, steps[s].after_step);
        if (!fresh && known->second >= steps[s].after_step) continue;
        known->second = steps[s].after_step;
        const auto id = semaphores_.try_emplace(key, static_cast<int>(semaphores_.size())).first->second;
        acquires_[{static_cast<std::int32_t>(b), static_cast<std::int32_t>(s)}].push_back(id);
        releases_[{steps[s].after_block, steps[s].after_step}].push_back(id);
      }
    }
  }

  static Json local(const MscclPlace& place, std::int64_t count) {
    return {{"type", std::string(1, place.buffer)}, {"index", place.offset}, {"size", count}};
  }

  // A buffer of a peer: its number among those that the thread block uses.
  int remote(std::int32_t peer, char type, std::vector<int>& mine) {
    const std::pair buffer{peer, type};
    auto known = std::ranges::find(buffers_, buffer);
    if (known == buffers_.end()) known = buffers_.insert(buffers_.end(), buffer);
    const auto id = static_cast<int>(known - buffers_.begin());
    auto here = std::ranges::find(mine, id);
    if (here == mine.end()) here = mine.insert(mine.end(), id);
    return static_cast<int>(here - mine.begin());
  }

  Result<Json> write_block(std::size_t b) {
    const auto& block = gpu_.blocks[b];
    std::vector<int> links;
    if (block.ends.send >= 0) links.push_back(channels_.at(sending(block)));
    if (block.ends.receive >= 0) links.push_back(channels_.at(receiving(block)));
    std::vector<int> remotes;
    Operations operations;
    std::vector<int> acquired;
    for (std::size_t s = 0; s < block.steps.size(); ++s) {
      const auto& step = block.steps[s];
      const std::pair key{static_cast<std::int32_t>(b), static_cast<std::int32_t>(s)};
      const auto waits = acquires_[key];
      acquired.insert(acquired.end(), waits.begin(), waits.end());
      if (step.kind == MscclStep::Kind::nothing) continue;  // its wait joins those of the step behind it
      if (acquired.size() > most_links)
        return mscclpp_cannot(fmt::format("a step on rank {} waits for {} thread blocks; at most {} are read", rank_, acquired.size(), most_links));
      operations.acquire(acquired);
      acquired.clear();
      write_step(step, block, remotes, operations);
      const auto& told = releases_[key];
      if (told.size() > most_links)
        return mscclpp_cannot(fmt::format("{} thread blocks on rank {} wait for one step; at most {} are read", told.size(), rank_, most_links));
      operations.release(told);
    }
    if (operations.size() > most_operations)
      return mscclpp_cannot(
          fmt::format("{} operations in a thread block on rank {}; at most {} are read", operations.size(), rank_, most_operations));
    Json json{{"id", b},
              {"p2plab_channel", block.ends.channel},
              {"ops", std::move(operations).take()},
              {"channels", Json::array()},
              {"remote_buffer_refs", Json::array()}};
    if (!links.empty()) json["channels"].push_back({{"channel_type", "memory"}, {"channel_ids", links}});
    if (!remotes.empty()) json["remote_buffer_refs"].push_back({{"access_channel_type", "memory"}, {"remote_buffer_ids", remotes}});
    return json;
  }

  void write_step(const MscclStep& step, const MscclBlock& block, std::vector<int>& remotes, Operations& operations) {
    using enum MscclStep::Kind;
    const int receiver = block.ends.send >= 0 ? 1 : 0;  // number of the channel on which the block receives
    switch (step.kind) {
      case send: {
        operations.wait(0);
        const Json there{{"buffer_id", remote(block.ends.send, step.to.buffer, remotes)}, {"index", step.to.offset}, {"size", step.count}};
        operations.move(
            {{"name", "put"}, {"src_buff", {local(step.from, step.count)}}, {"dst_buff", {there}}, {"channel_ids", {0}}, {"channel_type", "memory"}});
        operations.signal(0);
        break;
      }
      case receive:
        operations.signal(receiver);
        operations.wait(receiver);
        break;
      case copy: operations.move({{"name", "copy"}, {"src_buff", {local(step.from, step.count)}}, {"dst_buff", {local(step.to, step.count)}}}); break;
      case add:
        operations.move({{"name", "re"},
                         {"src_buff", {local(step.to, step.count), local(step.from, step.count)}},
                         {"dst_buff", {local(step.to, step.count)}},
                         {"reduce_op", "sum"}});
        break;
      case nothing: break;
    }
  }

  const MscclGpu& gpu_;
  std::int32_t rank_;
  std::map<Connection, int> channels_;
  std::vector<std::int32_t> peers_;                                             // by channel
  std::vector<std::pair<std::int32_t, char>> buffers_;                          // of peers: rank and type
  std::map<std::pair<std::int32_t, std::int32_t>, int> semaphores_;             // who releases, who acquires
  std::map<std::pair<std::int32_t, std::int32_t>, std::vector<int>> acquires_;  // by thread block and step
  std::map<std::pair<std::int32_t, std::int32_t>, std::vector<int>> releases_;
};

// MSCCL++ keeps plans by their names, so each has one of its own; an imported plan keeps its name.
std::string name_of(const ExportJob& job) {
  if (job.plan->planner.starts_with("p2plab_")) return job.plan->planner;
  return fmt::format("p2plab_{}_{}_{}", job.plan->planner, job.program->ranks(), job.from.count());
}

Result<Json> plan_json(const ExportJob& job) {
  if (job.from.count() >= least_too_large)
    return mscclpp_cannot(fmt::format("plans for {} bytes on; at most {} can be said", job.from.count(), least_too_large - 1));
  const auto algorithm = msccl_steps(job.plan->schedule, *job.program, {.format = "MSCCL++", .steps = most_operations, .blocks = 216});
  if (!algorithm) return algorithm.error();
  using enum CollectiveKind;
  static const std::map<CollectiveKind, std::string> names{
      {all_reduce, "allreduce"}, {all_gather, "allgather"}, {reduce_scatter, "reducescatter"}, {all_to_all, "alltoall"}};
  Json json{{"name", name_of(job)},
            {"collective", names.at(algorithm->collective)},
            {"protocol", "Simple"},
            {"inplace", job.program->in_place},
            {"reuse_resources", false},
            {"num_threads_per_block", 1024},
            {"use_double_scratch_buffer", false},
            {"buffer_alignment", 16},
            {"min_message_size", job.from.count()},
            {"max_message_size", std::min(job.to.count() - 1, most_message)}};
  json["gpus"] = Json::array();
  for (std::size_t r = 0; r < algorithm->gpus.size(); ++r) {
    auto gpu = GpuWriter{*algorithm, r}.run();
    if (!gpu) return std::move(gpu).error();
    json["gpus"].push_back(*std::move(gpu));
  }
  return json;
}

class MscclppJson final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    const auto json = plan_json(job);
    if (!json) return json.error();
    return {};
  }
  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override {
    const auto json = plan_json(job);
    if (!json) return json.error();
    return std::vector<ExportedFile>{{"", json->dump(1) + "\n"}};
  }
  bool even_chunks() const override { return true; }
  std::string extension() const override { return ".json"; }
  std::string how_to_load(const std::string& files) const override {
    return "MSCCL++ 0.8 and later: ExecutionPlan(\"" + files +
           "\", rank), then Executor.execute; sizes must be multiples of 16 bytes times input_chunks and output_chunks";
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> mscclpp_json() {
  return {"mscclpp-json", "execution plan for MSCCL++'s executor (JSON; one file)", {}, [] { return std::make_unique<MscclppJson>(); }};
}
}  // namespace exporters

}  // namespace p2plab
