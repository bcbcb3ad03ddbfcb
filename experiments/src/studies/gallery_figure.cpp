// SPDX-License-Identifier: Apache-2.0
// Reads one published figure.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "p2plab/detail/named.h"
#include "p2plab/plan/builtin_planners.h"
#include "studies/gallery_parts.h"

namespace p2plab::gallery {

namespace {

using Kind = GalleryFigure::Kind;
using Mover = GalleryFigure::Mover;
using Unit = GalleryFigure::Unit;

constexpr std::array movers{Named{"engine", Mover::engine}, Named{"pulls", Mover::pulls}, Named{"stores", Mover::stores},
                            Named{"loads", Mover::loads}};

class FigureReader {
 public:
  FigureReader(const ConfigValue& value, int ranks) : value_(value), ranks_(ranks) {}

  std::optional<GalleryFigure> run() {
    ConfigKeys keys{.required = {"name"}, .optional = {"fitted", "note"}};
    const bool collective = value_["gpus"].present();
    const bool latency = value_["latency"].present();
    const auto more = collective ? std::vector<std::string>{"gpus",      "collective", "size",   "busbw",     "algbw",    "time",    "launch",
                                                            "multicast", "peers",      "kernel", "algorithm", "protocol", "channels"}
                      : latency  ? std::vector<std::string>{"latency", "staged", "by", "time"}
                                 : std::vector<std::string>{"copies", "shift", "among", "size", "staged", "by", "queued", "sum", "each"};
    keys.optional.insert(keys.optional.end(), more.begin(), more.end());
    if (!latency) keys.required.emplace_back("size");
    if (!value_.expect_keys(keys)) return std::nullopt;
    figure_ = {.name = value_["name"].string(), .fitted = value_["fitted"].boolean(false), .note = value_["note"].string("")};
    figure_.staged = value_["staged"].boolean(false);
    figure_.mover = read_mover(value_["by"]);
    if (!latency) figure_.size = value_["size"].size(Bytes{1});
    if (value_["size"].present() && figure_.size.count() <= 0) value_["size"].add_error("a size must be above 0 B");
    published();
    if (collective)
      read_collective();
    else if (latency)
      read_latency();
    else
      read_copies();
    return std::move(figure_);
  }

 private:
  void published() {
    constexpr std::array units{Named{"busbw", Unit::busbw}, Named{"algbw", Unit::algbw}, Named{"sum", Unit::sum}, Named{"each", Unit::each},
                               Named{"time", Unit::time}};
    int found = 0;
    for (const auto& [name, unit] : units) {
      const auto number = value_[std::string{name}];
      if (!number.present()) continue;
      ++found;
      figure_.unit = unit;
      figure_.published = unit == Unit::time ? microseconds(number.time()) : number.bandwidth(GBps(1)).gbps();
      if (figure_.published <= 0) number.add_error("a published figure is above zero");
    }
    if (found != 1)
      value_.add_error("a figure has one published number", {"busbw, algbw or time of a collective; sum or each of copies; time of a latency"});
  }

  void read_collective() {
    figure_.gpus = static_cast<int>(value_["gpus"].integer({.least = 2, .most = ranks_}, 2));
    figure_.collective = value_["collective"].as(collective_kind, CollectiveKind::all_reduce, "a collective");
    figure_.multicast = value_["multicast"].boolean(false);
    figure_.peers_over_hosts = value_["peers"].boolean(true);
    figure_.launch = value_["launch"].as(nccl::launch_mode, nccl::launch_modes().front(), "a launch mode");
    if (!value_["launch"].present())
      value_.add_error("a collective says how it was launched", {"launch: graph, process, torch, threads or one-thread"});
    if (value_["algorithm"].present()) figure_.asked.algorithm = value_["algorithm"].as(nccl::algorithm, nccl::Algorithm::ring, "an algorithm");
    if (value_["protocol"].present()) figure_.asked.proto = value_["protocol"].as(nccl::proto, nccl::Proto::simple, "a protocol");
    figure_.asked.channels = static_cast<int>(value_["channels"].integer({.least = 1, .most = 64}, 0));
    read_kernel(value_["kernel"]);
  }

  // A planner's name, or a map of it (`planner`) and values for its parameters.
  void read_kernel(const ConfigValue& kernel) {
    if (!kernel.present()) return;
    const auto name = kernel.is_map() ? kernel["planner"] : kernel;
    figure_.kernel = name.string();
    const auto planners = builtin_planners();
    if (planners.find(figure_.kernel) == nullptr) {
      name.add_error(fmt::format("there is no planner '{}'", figure_.kernel), {"see p2plab list algorithms"});
      return;
    }
    if (!kernel.is_map()) return;
    for (const auto& [key, value] : kernel.entries()) {
      if (key != "planner") figure_.parameters[key] = value.string();
    }
  }

  void read_latency() {
    figure_.kind = Kind::latency;
    figure_.copies = {pair(value_["latency"], false)};
  }

  void read_copies() {
    figure_.kind = Kind::copies;
    figure_.copies = copies();
    const bool host = std::ranges::any_of(
        figure_.copies, [](const auto& copy) { return copy.first == GalleryFigure::host_memory || copy.second == GalleryFigure::host_memory; });
    if (host && figure_.staged) value_.add_error("a copy to host memory or from it is not staged");
    figure_.queued = value_["queued"].boolean(false);
    if (figure_.queued && (host || figure_.staged || figure_.mover == Mover::stores || figure_.mover == Mover::loads))
      value_["queued"].add_error("only copies by engines between GPUs wait on a stream for each other");
  }

  std::pair<int, int> pair(const ConfigValue& value, bool with_host) {
    const auto ends = value.list(2, 2);
    if (ends.size() != 2) return {0, 1};
    const auto end = [&](const ConfigValue& rank) {
      if (with_host && rank.is_scalar() && rank.string() == "host") return GalleryFigure::host_memory;
      return static_cast<int>(rank.integer({.least = 0, .most = ranks_ - 1}, 0));
    };
    const std::pair both{end(ends[0]), end(ends[1])};
    if (both.first == both.second) value.add_error("a copy needs two GPUs");
    return both;
  }

  // Pairs of sender and receiver; every GPU to the one so many further; or all pairs of the first so many.
  std::vector<std::pair<int, int>> copies() {
    std::vector<std::pair<int, int>> pairs;
    if (value_["shift"].present()) {
      const auto shift = static_cast<int>(value_["shift"].integer({.least = 1, .most = std::max(1, ranks_ - 1)}, 1));
      for (int r = 0; r < ranks_; ++r) pairs.emplace_back(r, (r + shift) % ranks_);
    } else if (value_["among"].present()) {
      const auto count = static_cast<int>(value_["among"].integer({.least = 2, .most = ranks_}, 2));
      for (int a = 0; a < count; ++a) {
        for (int step = 1; step < count; ++step) pairs.emplace_back(a, (a + step) % count);
      }
    } else if (!value_["copies"].present()) {
      value_.add_error("this says neither gpus (a collective) nor latency nor copies, shift or among");
    } else {
      for (const auto& one : value_["copies"].list(1)) pairs.push_back(pair(one, true));
    }
    return pairs;
  }

  const ConfigValue& value_;
  int ranks_;
  GalleryFigure figure_;
};

Result<Mover> mover(std::string_view name) { return from_name<Mover>("mover", name, movers); }

}  // namespace

std::optional<GalleryFigure> read_figure(const ConfigValue& value, int ranks) { return FigureReader(value, ranks).run(); }

GalleryFigure::Mover read_mover(const ConfigValue& value) { return value.as(mover, Mover::engine, "a mover: engine, pulls, stores or loads"); }

}  // namespace p2plab::gallery
