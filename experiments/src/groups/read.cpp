// SPDX-License-Identifier: Apache-2.0
// A config of kind `groups`: a machine, how its ranks are laid out, and the calls that begin at once.
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "config/profile_source.h"
#include "config/topology_source.h"
#include "p2plab/detail/config_value.h"
#include "p2plab/experiment/process_groups.h"

namespace p2plab {

namespace {

class GroupsReader {
 public:
  GroupsReader(const ConfigFile& file, std::string folder) : file_(file), root_(file.root()), folder_(std::move(folder)) {}

  Result<ProcessGroupsConfig> run() {
    if (!root_.expect_keys({.required = {"version", "kind", "name", "topology", "calls"}, .optional = {"mask", "layout", "profile", "relays"}}))
      return std::move(file_.status()).error();
    if (root_["version"].integer({}, 1) != 1) root_["version"].add_error("this reader knows version 1 of groups only");
    auto machine = read_machine(root_["topology"], root_["mask"], folder_);
    gpus_ = machine ? machine->topology.ranks() : 0;
    read_layout();
    std::vector<GroupCall> calls;
    for (const auto& value : root_["calls"].list(1)) {
      if (auto one = call(value)) calls.push_back(*std::move(one));
    }
    auto profile = read_profile(root_["profile"], folder_, machine).value_or(Profile{});
    const ProcessGroupsOptions options{.relays = root_["relays"].boolean(false)};
    const auto name = root_["name"].string();
    if (auto ok = file_.status(); !ok) return std::move(ok).error();
    expects(machine.has_value());
    return ProcessGroupsConfig{name, std::move(machine->topology), std::move(profile), std::move(calls), options, std::move(machine->warnings)};
  }

 private:
  void read_layout() {
    std::string text;
    for (const auto& [name, extent] : root_["layout"].entries()) text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, extent.string());
    if (text.empty()) return;
    auto layout = rank_layout(text);
    if (!layout) {
      root_["layout"].add_error(std::move(layout).error());
      return;
    }
    layout_ = *std::move(layout);
    if (gpus_ > 0 && layout_.ranks() != gpus_)
      root_["layout"].add_error(fmt::format("the layout has {} ranks, the machine {} GPUs", layout_.ranks(), gpus_));
  }

  // Groups of one call share no rank.
  std::vector<std::vector<Rank>> listed_groups(const ConfigValue& groups) const {
    std::vector<std::vector<Rank>> all;
    std::set<std::int64_t> seen;
    for (const auto& group : groups.list(1)) {
      auto& ranks = all.emplace_back();
      for (const auto& value : group.list(1)) {
        const auto before = value.mistakes();
        const auto rank = value.integer({.least = 0}, 0);
        if (value.mistakes() > before) continue;
        if (gpus_ > 0 && rank >= gpus_) value.add_error(fmt::format("the machine has ranks 0 to {}", gpus_ - 1));
        if (!seen.insert(rank).second)
          value.add_error(fmt::format("rank {} is there twice", rank), {"groups that share a rank are calls of their own"});
        ranks.emplace_back(rank);
      }
    }
    return all;
  }

  std::optional<GroupCall> call(const ConfigValue& value) {
    if (!value.expect_keys({.required = {"collective", "size"}, .optional = {"along", "ranks", "name", "algorithm", "dtype"}})) return std::nullopt;
    GroupCall one;
    if (value["along"].present() == value["ranks"].present()) {
      value.add_error("a call is made along dimensions of the layout, or by ranks", {"write along: dp, or ranks: [[0, 1], [2, 3]]"});
      return std::nullopt;
    }
    one.name = value["name"].string(value["along"].present() ? value["along"].string() : "ranks");
    if (value["along"].present()) {
      auto groups = layout_.groups(value["along"].string());
      if (!groups) {
        value["along"].add_error(std::move(groups).error());
        return std::nullopt;
      }
      one.groups = *std::move(groups);
    } else {
      one.groups = listed_groups(value["ranks"]);
    }
    auto kind = collective_kind(value["collective"].string());
    if (kind) {
      one.kind = *kind;
    } else {
      value["collective"].add_error(std::move(kind).error());
    }
    auto type = data_type(value["dtype"].string("float16"));
    if (!type) value["dtype"].add_error(type.error());
    one.payload = payload_of(value["size"].size(), type ? *type : DataType::float16, ReduceOp::sum);
    one.algorithm.name = value["algorithm"].string("auto");
    if (auto known = known_algorithm(one.algorithm.name); !known) value["algorithm"].add_error(std::move(known).error());
    return one;
  }

  const ConfigFile& file_;
  ConfigValue root_;
  std::string folder_;
  RankLayout layout_;
  int gpus_ = 0;  // of the machine; 0: that is not known
};

}  // namespace

bool is_process_groups(std::string_view text, const std::string& path) {
  const auto file = ConfigFile::parse(text, path);
  if (!file || !file->root().is_map()) return false;
  const auto kind = file->root()["kind"];
  return kind.is_scalar() && kind.string() == "groups";
}

Result<ProcessGroupsConfig> read_process_groups(std::string_view text, const std::string& path) {
  auto file = ConfigFile::parse(text, path);
  if (!file) return std::move(file).error();
  return GroupsReader{*file, std::filesystem::path(path).parent_path().string()}.run();
}

}  // namespace p2plab
