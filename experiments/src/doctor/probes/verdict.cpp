// SPDX-License-Identifier: Apache-2.0
#include "doctor/probes/verdict.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "p2plab/machine/routes.h"

namespace p2plab::doctor {

namespace {

// Copies over NVLink reach 0.83 to 0.98 of the links, over PCIe 0.8 and more; what is below this is not protocol.
constexpr double least_share = 0.6;
// Two directions of a pair, and pairs that are alike, differ by noise of a few per cent.
constexpr double least_of_like = 0.9;
constexpr double least_of_alone = 0.7;

std::string pair_name(const PairProbe& probe) {
  if (probe.access == PairAccess::all_at_once) return fmt::format("all, each to the {}. after it", probe.to - probe.from);
  return fmt::format("gpu{} {} gpu{}", probe.from, probe.access == PairAccess::both_ways ? "<->" : "->", probe.to);
}

// Probes of one kind of trouble.
struct Trouble {
  std::vector<std::string> pairs;
  std::vector<std::string> evidence;
};

struct Kind {
  std::string name;
  Severity severity = Severity::fault;
  std::string what;
  std::string no_worth;
  std::vector<Remedy> remedies;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Remedy> wrong_data{{"look at iommu.* and acs.*: an IOMMU that translates and redirects lose peer writes", ""},
                                              {"NCCL_P2P_DISABLE=1 until it is found: data then goes through host memory", "slower, and right"}};
  static const std::vector<Kind> all{
      {"probe.hang",
       Severity::fault,
       "does not end",
       "all of it: programs stand still",
       {{"dmesg | grep -i -e xid -e nvrm -e aer", ""}, wrong_data[0], wrong_data[1]}},
      {"probe.crash", Severity::fault, "ends the process that tries it", "all of it", {{"dmesg | grep -i -e xid -e nvrm", ""}}},
      {"probe.refused", Severity::fault, "fails, though the driver grants it", "all of it", {{"dmesg | grep -i -e xid -e nvrm", ""}}},
      {"probe.lost", Severity::fault, "loses data: memory of the receiver stays as it was", "none: it is wrong, not slow", wrong_data},
      {"probe.zeros", Severity::fault, "delivers zeros", "none: it is wrong, not slow", wrong_data},
      {"probe.corrupted", Severity::fault, "delivers other data than was sent", "none: it is wrong, not slow", wrong_data},
      {"probe.order", Severity::fault, "shows a flag before the data that was stored ahead of it", "none: it is wrong, not slow", wrong_data},
      {"probe.slow",
       Severity::slow,
       "is slower than its links by far",
       "",
       {{"look at pcie.*, acs.*, nvlink.* above; loads over PCIe may go by way of the host", ""}}},
      {"probe.one_way_slow", Severity::slow, "is slower than the way back", "", {{"nvidia-smi nvlink -e; lspci -vv (LnkSta) of both", ""}}},
      {"probe.link",
       Severity::slow,
       "is slower than pairs with the same links: an NVLink may be lost",
       "",
       {{"nvidia-smi nvlink -s; lspci -vv (LnkSta)", ""}}},
      {"probe.collapse",
       Severity::slow,
       "falls far below what links allow when others send at the same time",
       "",
       {{"plan with fewer writers at a time: p2plab plan --algorithm ring; loads instead of stores, where a switch collapses under writes", ""}}}};
  return all;
}

class Judging {
 public:
  Judging(const std::vector<ProbeRecord>& records, const Topology& topology, const std::function<bool(int, int)>& granted)
      : records_(records), topology_(topology), granted_(granted) {}

  std::vector<Finding> run() {
    for (const auto& record : records_) {
      if (!allowed(record.probe)) continue;
      end_of(record);
      data_of(record);
      rate_of(record);
    }
    std::vector<Finding> all;
    for (const auto& kind : kinds()) {
      if (!troubles_.contains(kind.name)) continue;
      const auto& trouble = troubles_.at(kind.name);
      const auto shown = std::min<std::size_t>(trouble.pairs.size(), 8);
      all.push_back({.name = kind.name,
                     .check = "probe",
                     .severity = kind.severity,
                     .what = fmt::format("{} of {} probes: {}{} {}", trouble.pairs.size(), records_.size(),
                                         fmt::join(trouble.pairs.begin(), trouble.pairs.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                                         shown < trouble.pairs.size() ? ", ..." : "", kind.what),
                     .no_worth = kind.no_worth.empty() ? "what was measured beside what links allow is in the matrix" : kind.no_worth,
                     .evidence = {trouble.evidence.begin(), trouble.evidence.begin() + static_cast<std::ptrdiff_t>(shown)},
                     .remedies = kind.remedies});
    }
    return all;
  }

 private:
  bool allowed(const PairProbe& probe) const {
    if (probe.access != PairAccess::all_at_once) return granted_(probe.from, probe.to);
    for (int from = 0; from < topology_.ranks(); ++from) {
      if (!granted_(from, (from + probe.to - probe.from) % topology_.ranks())) return false;
    }
    return true;
  }

  void note(const std::string& kind, const ProbeRecord& record, std::string evidence) {
    auto& trouble = troubles_[kind];
    const auto name = fmt::format("{} of {}", to_string(record.probe.access), pair_name(record.probe));
    trouble.pairs.push_back(name);
    trouble.evidence.push_back(name + ": " + std::move(evidence));
  }

  void end_of(const ProbeRecord& record) {
    if (record.end == ProbeEnd::hung) note("probe.hang", record, record.message);
    if (record.end == ProbeEnd::crashed) note("probe.crash", record, record.message);
    if (record.end == ProbeEnd::failed) note("probe.refused", record, record.message);
  }

  void data_of(const ProbeRecord& record) {
    const auto& o = record.outcome;
    const auto share = [&](std::int64_t count) {
      const bool adds = record.probe.access == PairAccess::atomics;
      return fmt::format("{} of {} {}", count, o.compared, record.probe.access == PairAccess::flag ? "rounds" : adds ? "counters" : "words");
    };
    if (o.unwritten > 0) note("probe.lost", record, share(o.unwritten));
    if (o.zeros > 0) note("probe.zeros", record, share(o.zeros));
    if (o.wrong > 0) note("probe.corrupted", record, share(o.wrong));
    if (o.late > 0) note("probe.order", record, share(o.late));
  }

  const ProbeRecord* same(const PairProbe& probe) const {
    const auto found = std::ranges::find(records_, probe, &ProbeRecord::probe);
    return found == records_.end() || found->end != ProbeEnd::done ? nullptr : &*found;
  }

  // One thing is said of a slow pair: the plainest that explains it.
  void rate_of(const ProbeRecord& record) {
    const auto& probe = record.probe;
    const auto rate = record.outcome.rate.gbps();
    const auto links = rate_of_links(probe, topology_).gbps();
    if (record.end != ProbeEnd::done || rate <= 0) return;
    const auto measured = [&](const std::string& beside, double other) { return fmt::format("{:.1f} GB/s, {} {:.1f}", rate, beside, other); };
    if (probe.access == PairAccess::both_ways || probe.access == PairAccess::all_at_once) {
      const auto* alone = same({PairAccess::copy_engine, probe.from, probe.to});
      const auto least = std::min(links, alone != nullptr && alone->outcome.rate.gbps() > 0 ? alone->outcome.rate.gbps() : links);
      if (links > 0 && rate < least_of_alone * least) note("probe.collapse", record, measured("links allow", links));
      return;
    }
    const auto* back = same({probe.access, probe.to, probe.from});
    if (back != nullptr && rate < least_of_like * back->outcome.rate.gbps())
      return note("probe.one_way_slow", record, measured("back", back->outcome.rate.gbps()));
    if (links > 0 && rate < least_share * links) return note("probe.slow", record, measured("links allow", links));
    if (const auto like = median_of_like(probe, links); rate < least_of_like * like)
      note("probe.link", record, measured("the middle of pairs alike", like));
  }

  double median_of_like(const PairProbe& probe, double links) const {
    std::vector<double> rates;
    for (const auto& other : records_) {
      if (other.probe.access == probe.access && other.end == ProbeEnd::done && rate_of_links(other.probe, topology_).gbps() == links)
        rates.push_back(other.outcome.rate.gbps());
    }
    if (rates.size() < 3) return 0;
    std::ranges::nth_element(rates, rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2));
    return rates[rates.size() / 2];
  }

  const std::vector<ProbeRecord>& records_;
  const Topology& topology_;
  const std::function<bool(int, int)>& granted_;
  std::map<std::string, Trouble> troubles_;
};

}  // namespace

Bandwidth rate_of_links(const PairProbe& probe, const Topology& topology) {
  if (probe.access == PairAccess::flag || probe.access == PairAccess::atomics) return {};
  const auto& routes = topology.routes();
  std::vector<std::pair<Rank, Rank>> ways{{Rank{probe.from}, Rank{probe.to}}};
  if (probe.access == PairAccess::both_ways) ways.emplace_back(Rank{probe.to}, Rank{probe.from});
  if (probe.access == PairAccess::all_at_once) {
    ways.clear();
    const int n = topology.ranks();
    for (int from = 0; from < n; ++from) ways.emplace_back(Rank{from}, Rank{(from + probe.to - probe.from + n) % n});
  }
  std::vector<int> passing(topology.links().size(), 0);
  for (const auto& [from, to] : ways) {
    for (const auto link : routes.between(from, to)) ++passing[link.index()];
  }
  double least = 0;
  for (std::size_t l = 0; l < passing.size(); ++l) {
    if (passing[l] == 0) continue;
    const auto share = topology.links()[l].bandwidth.gbps() / passing[l];
    least = least == 0 ? share : std::min(least, share);
  }
  for (const auto& group : topology.groups()) {
    int flows = 0;
    for (const auto link : group.links) flows += passing[link.index()];
    if (flows > 0 && (group.of == Traffic::all || group.of == Traffic::peers)) least = std::min(least, group.bandwidth.gbps() / flows);
  }
  return GBps(least);
}

std::vector<Finding> judge(const std::vector<ProbeRecord>& records, const Topology& topology, const std::function<bool(int, int)>& granted) {
  return Judging(records, topology, granted).run();
}

}  // namespace p2plab::doctor
