// SPDX-License-Identifier: Apache-2.0
// MPICH's tuning file in JSON: which algorithm of its own for which sizes of host collectives. MPICH takes the file in place of all that it knows,
// and ends where a collective is missing or a list of sizes does not end in "any": so all are there, the others with usual algorithms.
#include <algorithm>
#include <limits>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

Json by(const std::string& algorithm) { return {{"algorithm=MPIR_" + algorithm, Json::object()}}; }

// Up to `short_bytes` one, above it another.
Json by_size(const std::string& measure, int short_bytes, const Json& up_to, const Json& above) {
  return {{fmt::format("{}<={}", measure, short_bytes), up_to}, {measure + "=any", above}};
}
Json in_place_or(const Json& in_place, const Json& other) { return {{"is_sendbuf_inplace=yes", in_place}, {"is_sendbuf_inplace=no", other}}; }
Json commutative_or(const Json& commutative, const Json& other) { return {{"is_commutative=yes", commutative}, {"is_commutative=no", other}}; }
// What splits the data needs an element for each rank, and an operation of MPI's own.
Json split_or(const Json& split, const Json& whole) {
  return {{"is_op_built_in=yes", {{"count<pow2", whole}, {"count=any", split}}}, {"is_op_built_in=no", whole}};
}
Json inside_or_between(const Json& inside, const std::string& between) { return {{"comm_type=intra", inside}, {"comm_type=inter", by(between)}}; }

// Names as of MPICH 4.0. Blocking ones first, then those that begin with I, which need an own choice each.
Json blocking() {
  Json all;
  const auto add = [&](const char* collective, const Json& inside, const char* between) {
    all[std::string{"collective="} + collective] = inside_or_between(inside, between);
  };
  constexpr int few = 12288;
  add("bcast", by_size("avg_msg_size", few, by("Bcast_intra_binomial"), by("Bcast_intra_scatter_ring_allgather")),
      "Bcast_inter_remote_send_local_bcast");
  add("allreduce",
      by_size("avg_msg_size", 2048, by("Allreduce_intra_recursive_doubling"),
              split_or(by("Allreduce_intra_reduce_scatter_allgather"), by("Allreduce_intra_recursive_doubling"))),
      "Allreduce_inter_reduce_exchange_bcast");
  add("allgather", by_size("total_msg_size", 81920, by("Allgather_intra_brucks"), by("Allgather_intra_ring")),
      "Allgather_inter_local_gather_remote_bcast");
  add("allgatherv", by_size("total_msg_size", 81920, by("Allgatherv_intra_brucks"), by("Allgatherv_intra_ring")),
      "Allgatherv_inter_remote_gather_local_bcast");
  add("reduce",
      by_size("avg_msg_size", 2048, by("Reduce_intra_binomial"), split_or(by("Reduce_intra_reduce_scatter_gather"), by("Reduce_intra_binomial"))),
      "Reduce_inter_local_reduce_remote_send");
  for (const std::string name : {"Reduce_scatter", "Reduce_scatter_block"}) {
    add(name == "Reduce_scatter" ? "reduce_scatter" : "reduce_scatter_block",
        commutative_or(by_size("total_msg_size", 524287, by(name + "_intra_recursive_halving"), by(name + "_intra_pairwise")),
                       by(name + "_intra_recursive_doubling")),
        (name + "_inter_remote_reduce_local_scatter").c_str());
  }
  add("gather", by("Gather_intra_binomial"), "Gather_inter_linear");
  add("scatter", by("Scatter_intra_binomial"), "Scatter_inter_linear");
  add("barrier", by("Barrier_intra_dissemination"), "Barrier_inter_bcast");
  add("alltoall",
      in_place_or(by("Alltoall_intra_pairwise_sendrecv_replace"), {{"avg_msg_size<=256", by("Alltoall_intra_brucks")},
                                                                   {"avg_msg_size<=32768", by("Alltoall_intra_scattered")},
                                                                   {"avg_msg_size=any", by("Alltoall_intra_pairwise")}}),
      "Alltoall_inter_pairwise_exchange");
  for (const std::string name : {"Alltoallv", "Alltoallw"})
    add(name == "Alltoallv" ? "alltoallv" : "alltoallw", in_place_or(by(name + "_intra_pairwise_sendrecv_replace"), by(name + "_intra_scattered")),
        (name + "_inter_pairwise_exchange").c_str());
  all["collective=gatherv"] = by("Gatherv_allcomm_linear");
  all["collective=scatterv"] = by("Scatterv_allcomm_linear");
  all["collective=scan"] = by("Scan_intra_recursive_doubling");
  all["collective=exscan"] = by("Exscan_intra_recursive_doubling");
  for (const auto* name : {"allgather", "allgatherv", "alltoall", "alltoallv", "alltoallw"}) {
    all[fmt::format("collective=neighbor_{}", name)] = by(fmt::format("Neighbor_{}_allcomm_nb", name));
    all[fmt::format("collective=ineighbor_{}", name)] = by(fmt::format("Ineighbor_{}_allcomm_sched_linear", name));
  }
  return all;
}

void add_nonblocking(Json& all) {
  const auto add = [&](const char* collective, const Json& inside, const char* between) {
    all[std::string{"collective="} + collective] = inside_or_between(inside, between);
  };
  add("ibarrier", by("Ibarrier_intra_sched_recursive_doubling"), "Ibarrier_inter_sched_bcast");
  add("ibcast", by_size("avg_msg_size", 12288, by("Ibcast_intra_sched_binomial"), by("Ibcast_intra_sched_scatter_ring_allgather")),
      "Ibcast_inter_sched_flat");
  add("iallreduce",
      by_size("avg_msg_size", 2048, by("Iallreduce_intra_sched_recursive_doubling"),
              split_or(by("Iallreduce_intra_sched_reduce_scatter_allgather"), by("Iallreduce_intra_sched_recursive_doubling"))),
      "Iallreduce_inter_sched_remote_reduce_local_bcast");
  add("iallgather", by_size("total_msg_size", 81920, by("Iallgather_intra_sched_brucks"), by("Iallgather_intra_sched_ring")),
      "Iallgather_inter_sched_local_gather_remote_bcast");
  add("iallgatherv", by_size("total_msg_size", 81920, by("Iallgatherv_intra_sched_brucks"), by("Iallgatherv_intra_sched_ring")),
      "Iallgatherv_inter_sched_remote_gather_local_bcast");
  add("ireduce", by("Ireduce_intra_sched_binomial"), "Ireduce_inter_sched_local_reduce_remote_send");
  for (const std::string name : {"Ireduce_scatter", "Ireduce_scatter_block"})
    add(name == "Ireduce_scatter" ? "ireduce_scatter" : "ireduce_scatter_block",
        commutative_or(by(name + "_intra_sched_pairwise"), by(name + "_intra_sched_recursive_doubling")),
        (name + "_inter_sched_remote_reduce_local_scatterv").c_str());
  add("igather", by("Igather_intra_sched_binomial"), "Igather_inter_sched_long");
  add("iscatter", by("Iscatter_intra_sched_binomial"), "Iscatter_inter_sched_linear");
  add("ialltoall",
      in_place_or(by("Ialltoall_intra_sched_inplace"),
                  by_size("avg_msg_size", 32768, by("Ialltoall_intra_sched_permuted_sendrecv"), by("Ialltoall_intra_sched_pairwise"))),
      "Ialltoall_inter_sched_pairwise_exchange");
  add("ialltoallv", in_place_or(by("Ialltoallv_intra_sched_inplace"), by("Ialltoallv_intra_sched_blocked")),
      "Ialltoallv_inter_sched_pairwise_exchange");
  add("ialltoallw", in_place_or(by("Ialltoallw_intra_sched_inplace"), by("Ialltoallw_intra_sched_blocked")),
      "Ialltoallw_inter_sched_pairwise_exchange");
  all["collective=igatherv"] = by("Igatherv_allcomm_sched_linear");
  all["collective=iscatterv"] = by("Iscatterv_allcomm_sched_linear");
  all["collective=iscan"] = by("Iscan_intra_sched_recursive_doubling");
  all["collective=iexscan"] = by("Iexscan_intra_sched_recursive_doubling");
}

struct MpichCollective {
  const char* key;
  const char* measure;
  bool one_block;  // a rank's part for one other, of which `size` counts all
};
const std::map<CollectiveKind, MpichCollective>& collectives() {
  using enum CollectiveKind;
  static const std::map<CollectiveKind, MpichCollective> all{{all_reduce, {"collective=allreduce", "avg_msg_size", false}},
                                                             {all_gather, {"collective=allgather", "total_msg_size", false}},
                                                             {reduce_scatter, {"collective=reduce_scatter_block", "total_msg_size", false}},
                                                             {all_to_all, {"collective=alltoall", "avg_msg_size", true}}};
  return all;
}

// What does as the plan does, where it may.
Result<Json> algorithm_of(const ExportJob& job) {
  using enum CollectiveKind;
  const auto& collective = job.program->collective;
  if (static_cast<int>(collective.members.size()) != job.program->ranks()) return Error{ErrorCode::unsupported, "MPICH: all ranks must take part"};
  const auto& planner = job.plan->planner;
  const auto doubles = [&](const char* name) {
    const auto exchange = job.plan->parameters.find(name);
    return exchange != job.plan->parameters.end() && exchange->second == "doubling";
  };
  const bool whole = doubles("exchange") || doubles("form");  // as plans of version 0.1 call it
  const auto rec = by("Allreduce_intra_recursive_doubling");
  if (collective.kind == all_reduce && planner == "halving_doubling")
    return whole ? rec : split_or(by("Allreduce_intra_reduce_scatter_allgather"), rec);
  if (collective.kind == all_gather && planner == "ring") return by("Allgather_intra_ring");
  if (collective.kind == all_gather && planner == "bruck") return by("Allgather_intra_brucks");
  if (collective.kind == all_gather && planner == "halving_doubling") return by("Allgather_intra_recursive_doubling");
  const auto any_order = by("Reduce_scatter_block_intra_recursive_doubling");
  if (collective.kind == reduce_scatter && planner == "halving_doubling")
    return commutative_or(by("Reduce_scatter_block_intra_recursive_halving"), any_order);
  if (collective.kind == reduce_scatter && planner == "pairwise") return commutative_or(by("Reduce_scatter_block_intra_pairwise"), any_order);
  const auto in_place = by("Alltoall_intra_pairwise_sendrecv_replace");
  if (collective.kind == all_to_all && planner == "pairwise") return in_place_or(in_place, by("Alltoall_intra_pairwise"));
  if (collective.kind == all_to_all && planner == "bruck") return in_place_or(in_place, by("Alltoall_intra_brucks"));
  return Error{ErrorCode::unsupported,
               fmt::format("MPICH: it has no algorithm that does what {} does for {}", planner, to_string(collective.kind)),
               std::nullopt,
               {"halving_doubling (all_reduce, all_gather, reduce_scatter), ring (all_gather), bruck and pairwise are among its algorithms"}};
}

class Mpich final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    const auto algorithm = algorithm_of(job);
    if (!algorithm) return algorithm.error();
    return {};
  }
  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override { return write_table({&job, 1}); }

  // Among so many ranks as planned for; of other communicators, and of sizes whose plan it cannot do, the usual choice.
  Result<std::vector<ExportedFile>> write_table(std::span<const ExportJob> jobs) const override {
    auto all = blocking();
    add_nonblocking(all);
    const auto& first = jobs.front();
    const auto found = collectives().find(first.program->collective.kind);
    if (found == collectives().end()) return algorithm_of(first).error();
    const auto& [key, measure, one_block] = found->second;
    const auto ranks = first.program->ranks();
    const Json usual = all[key]["comm_type=intra"];
    Json bands;
    bool mapped = false;
    for (const auto& job : jobs) {
      const auto algorithm = algorithm_of(job);
      mapped = mapped || static_cast<bool>(algorithm);
      const bool last = &job == &jobs.back();
      const auto end = std::min<std::int64_t>(one_block ? job.to.count() / ranks : job.to.count(), std::numeric_limits<int>::max());
      bands[last ? fmt::format("{}=any", measure) : fmt::format("{}<{}", measure, end)] = algorithm ? *algorithm : usual;
    }
    if (!mapped) return algorithm_of(first).error();
    if (const auto begin = one_block ? first.from.count() / ranks : first.from.count(); begin > 0) {
      Json whole{{fmt::format("{}<{}", measure, begin), usual}};
      whole.update(bands);
      bands = std::move(whole);
    }
    all[key]["comm_type=intra"] = {
        {fmt::format("comm_size<{}", ranks), usual}, {fmt::format("comm_size<={}", ranks), bands}, {"comm_size=any", usual}};
    return std::vector<ExportedFile>{{"", all.dump(1) + "\n"}};
  }
  std::string extension() const override { return ".json"; }
  std::string how_to_load(const std::string& files) const override {
    return "MPICH: MPIR_CVAR_COLL_SELECTION_TUNING_JSON_FILE=" + files + ", which stands in place of all its own choices";
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> mpich() {
  return {"mpich", "MPICH's tuning file for host collectives (JSON; one file for a table)", {}, [] { return std::make_unique<Mpich>(); }};
}
}  // namespace exporters

}  // namespace p2plab
