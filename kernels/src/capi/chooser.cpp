// SPDX-License-Identifier: Apache-2.0
#include "capi/chooser.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "capi/table_fit.h"
#include "capi/variants.h"
#include "p2plab/base/quantity.h"
#include "p2plab/detail/digest.h"
#include "p2plab/detail/settings.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/program/planner.h"
#include "p2plab/schedule/order_of_sums.h"

// Of the planners only those that are measured to be the fastest somewhere, or do what the others do not: the rest, and the solvers that they need,
// stay out of the library.
namespace p2plab::planners {
Entry<Planner> one_shot();
Entry<Planner> two_shot();
Entry<Planner> pairwise();
Entry<Planner> tree();
Entry<Planner> ring();
Entry<Planner> hierarchical();
}  // namespace p2plab::planners

namespace p2plab::capi {

namespace {

using runtime::Call;
using runtime::ChosenPlan;
using enum CollectiveKind;

class Tables final : public runtime::Chooser {
 public:
  struct Table {
    std::string path;
    TunedTable table;
    bool used = true;
  };

  Tables(bool fixed_order, std::int64_t slices) : fixed_order_(fixed_order), slices_(slices) {
    for (auto& entry :
         {planners::one_shot(), planners::two_shot(), planners::pairwise(), planners::tree(), planners::ring(), planners::hierarchical()})
      planners_.add(entry);
  }

  Status add(const std::string& path, int ranks) {
    const auto text = read_text_file(path, Bytes{std::int64_t{32} << 20});
    if (!text) return text.error();
    auto table = read_tuned(*text, path);
    if (!table) return std::move(table).error();
    const auto bad = [&](const std::string& why) { return Error{ErrorCode::invalid_input, fmt::format("{}: {}", path, why)}; };
    if (table->topology.ranks() != ranks) return bad(fmt::format("the table is for {} ranks, not {}", table->topology.ranks(), ranks));
    const auto& collective = table->bands.front().plan.schedule.collective();
    if (static_cast<int>(collective.members.size()) != ranks || !collective.silent.empty()) return bad("the table is for a part of the ranks");
    if (fixed_order_ && reduces(collective.kind) && table->order.empty()) {
      auto error = bad("its plans promise no order of sums");
      error.notes.emplace_back("`p2plab tune --order fixed` makes one that does");
      return error;
    }
    for (const auto& other : tables_) {
      if (serves(other.table, collective.kind, table->dtype, table->op) && other.table.rows.empty() == table->rows.empty())
        return bad("another table is for the same calls");
    }
    digest_.add(*text);
    tables_.push_back({path, *std::move(table)});
    return {};
  }

  Result<std::vector<std::string>> settle(const runtime::RunningMachine& running, bool by_host) override {
    std::vector<std::string> notes;
    servers_ = running.servers;
    for (auto& each : tables_) {
      if (const auto other = difference(each.table, running); !other.empty()) {
        return Error{ErrorCode::invalid_input,
                     fmt::format("{}: the table is for another machine ({}): {}", each.path, each.table.topology.name(), other),
                     std::nullopt,
                     {"make one here by `p2plab tune --gpu`, or leave it out: there is a built-in tuning"}};
      }
      if (const auto open = not_compared(each.table, running); !open.empty()) notes.push_back(fmt::format("{}: not compared: {}", each.path, open));
      each.used = !by_host || all_by_host(each.table.topology);
      if (!each.used)
        notes.push_back(fmt::format("{}: the table is not used: its plans go by peer access, and backend host goes through host memory", each.path));
    }
    return notes;
  }

  void carried_by(int carriers, bool sockets) override {
    carriers_ = carriers;
    sockets_ = sockets;
  }

  Result<ChosenPlan> choose(const Call& call, int ranks, const Topology& machine) const override {
    const auto payload = runtime::payload_of(call, ranks);
    const bool by_host = std::ranges::any_of(machine.nodes(), [](const Node& node) { return node.kind == NodeKind::host; });
    if (const auto* its = table_of(call)) return in_slices(chosen_from(its->table, payload.size()));
    std::optional<Error> first;
    const bool ordered = fixed_order_ && reduces(call.kind);
    for (const auto& variant : ordered ? variants_of_one_order(call, ranks) : variants(call, ranks, by_host)) {
      const auto* entry = planners_.find(variant.planner);
      expects(entry != nullptr);
      auto plan = entry->make()->plan(machine, runtime::collective_of(call, ranks), {.payload = payload, .parameters = variant.parameters});
      if (plan && ordered) {
        if (auto kept = keeps_order(plan->schedule, false, members_in_order(plan->schedule.collective())); !kept) plan = std::move(kept).error();
      }
      if (plan) return in_slices({machine, *std::move(plan)});
      if (!first) first = std::move(plan).error();
    }
    return *first;
  }

  std::string prefers_nccl(const Call& call, int ranks) const override {
    if (fixed_order_) return {};
    if (const auto* its = table_of(call)) {
      const auto& at = its->table.at(runtime::payload_of(call, ranks).size());
      if (!at.by_nccl()) return {};
      return fmt::format("{:.4g} us for {}, {:.4g} us for the fastest plan, as the table measured at {}", at.measured->nccl->count() * 1e6,
                         to_string(call.kind), at.measured->time.count() * 1e6, to_string(at.size));
    }
    if (servers_.count() > 1) return over_servers(call, ranks);
    const bool larger = (call.kind == reduce && ranks > 2 && runtime::bytes_of(call) > (64_MiB).count()) ||
                        (call.kind == broadcast && runtime::bytes_of(call) > (128_MiB).count());
    return larger ? fmt::format("its {} of this size is as fast or faster, as measured", to_string(call.kind)) : std::string{};
  }

  bool rows_apart(const Call& call, int ranks) const override {
    const auto* its = table_of(call);
    return its != nullptr && its->table.at(runtime::payload_of(call, ranks).size()).rows_apart;
  }

  std::string digest() const override {
    return fmt::format("{} tables {}{}{}", tables_.size(), to_string(digest_.value()), fixed_order_ ? ", one order of sums" : "",
                       slices_ > 1 ? fmt::format(", {} slices", slices_) : std::string{});
  }

 private:
  std::vector<Variant> variants(const Call& call, int ranks, bool by_host) const {
    if (servers_.count() < 2) return variants_of(call, ranks, by_host);
    return variants_over_servers(call, ranks, std::ranges::all_of(servers_.ranks, [](const auto& mates) { return mates.size() == 1; }));
  }

  // Why NCCL serves a call of ranks on several servers. What was measured is two servers of one GPU, over sockets, where ours is faster up to 16 MiB
  // if several communicators carry it (kernels/decisions/014).
  std::string over_servers(const Call& call, int ranks) const {
    if (call.kind != all_reduce || ranks != 2) return fmt::format("of a {} of {} ranks over servers nothing is known", to_string(call.kind), ranks);
    if (!sockets_) return "of an all_reduce over servers whose network is no socket of NCCL's nothing is known";
    const auto most = carriers_ > 1 ? 16_MiB : 256_KiB;
    if (runtime::bytes_of(call) <= most.count()) return {};
    return fmt::format("its all_reduce over servers may be faster above {}, as measured", to_string(most));
  }

  // A call with rows goes by a table that was made with rows; where there is none, by one that was not.
  const Table* table_of(const Call& call) const {
    const Table* found = nullptr;
    for (const auto& each : tables_) {
      const auto& collective = each.table.bands.front().plan.schedule.collective();
      const bool other_root = rooted(call.kind) && collective.root.value != call.root;
      const bool with_rows = !each.table.rows.empty();
      if (!each.used || other_root || !serves(each.table, call.kind, call.type, call.op) || (with_rows && !call.epilogue)) continue;
      if (found == nullptr || with_rows) found = &each;
    }
    return found;
  }

  // The last band and size that begin at or below this one, else the first.
  static ChosenPlan chosen_from(const TunedTable& table, Bytes size) {
    const auto* band = &table.bands.front();
    for (const auto& each : table.bands) {
      if (each.sizes.front().size <= size) band = &each;
    }
    const auto* at = &band->sizes.front();
    for (const auto& each : band->sizes) {
      if (each.size <= size) at = &each;
    }
    return {table.topology, band->plan, at->tuning, expected_at(table, size)};
  }

  // Times vary by so much without anything being wrong; between two of the table's sizes a time lies between theirs, and beyond them nothing is
  // known.
  static runtime::ExpectedTime expected_at(const TunedTable& table, Bytes size) {
    constexpr double varies = 0.25;
    const TunedSize* below = nullptr;
    const TunedSize* above = nullptr;
    for (const auto& band : table.bands) {
      for (const auto& each : band.sizes) {
        if (each.size <= size) below = &each;
        if (each.size >= size && above == nullptr) above = &each;
      }
    }
    if (below == nullptr || above == nullptr) return {};
    const auto time = [](const TunedSize& each) { return each.measured ? each.measured->time : each.predicted; };
    const auto span = above->size - below->size;
    const auto share = span.count() == 0 ? 0 : static_cast<double>((size - below->size).count()) / static_cast<double>(span.count());
    const auto least = std::min(time(*below), time(*above));
    const auto most = std::max(time(*below), time(*above));
    return {time(*below) + (time(*above) - time(*below)) * share, least * (1 - varies), most * (1 + varies)};
  }

  // What is only moved has no type.
  static bool serves(const TunedTable& table, CollectiveKind kind, DataType type, ReduceOp op) {
    if (table.bands.front().plan.schedule.collective().kind != kind) return false;
    return !reduces(kind) || (table.dtype == type && table.op == op);
  }

  ChosenPlan in_slices(ChosenPlan chosen) const {
    chosen.slices = slices_;
    return chosen;
  }

  bool fixed_order_;
  std::int64_t slices_;  // over servers
  Registry<Planner> planners_;
  std::vector<Table> tables_;
  Servers servers_;
  int carriers_ = 1;  // of large messages between them
  bool sockets_ = false;
  Digest digest_;
};

Result<std::int64_t> slices_over_servers() {
  const char* const text = setting("P2PLAB_SLICES");
  if (text == nullptr) return std::int64_t{1};
  if (text[0] >= '1' && text[0] <= '4' && text[1] == '\0') return std::int64_t{text[0] - '0'};
  return Error{ErrorCode::invalid_input, fmt::format("P2PLAB_SLICES='{}': a call over servers goes in 1 to 4 slices", text)};
}

}  // namespace

Result<std::shared_ptr<runtime::Chooser>> make_chooser(const std::vector<std::string>& tables, int ranks, bool fixed_order) {
  const auto slices = slices_over_servers();
  if (!slices) return slices.error();
  auto chooser = std::make_shared<Tables>(fixed_order, *slices);
  for (const auto& path : tables) {
    if (auto added = chooser->add(path, ranks); !added) return std::move(added).error();
  }
  return std::shared_ptr<runtime::Chooser>(std::move(chooser));
}

}  // namespace p2plab::capi
