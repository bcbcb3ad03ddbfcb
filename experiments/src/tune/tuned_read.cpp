// SPDX-License-Identifier: Apache-2.0
// Reads tuned files (tuned_file.h).
#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/base/quantity.h"
#include "p2plab/detail/config_value.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/schedule/order_of_sums.h"
#include "tune/tuned_file.h"

namespace p2plab {

namespace {

constexpr std::size_t short_plan = std::size_t{1} << 10;  // bytes that may as well stay where they are

// A file without its long plans: the strict reader is made for what people write, and takes no more than a MiB.
struct Parted {
  std::string text;                          // "@7" stands where the eighth plan stood
  std::map<std::string, std::string> plans;  // by what stands there now
};

// Plans stand on a line of their own, as the writers below leave them; others stay.
Parted without_plans(std::string_view text) {
  Parted parted;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto key = line.find_first_not_of(" -");
    const auto begin = line.find('"', line.find(": "));
    const auto end = line.rfind('"');
    const auto name = key == std::string_view::npos ? std::string_view{} : line.substr(key, line.find(": ", key) - key);
    const bool plan = (name == "plan" || name == "\"plan\"") && begin != std::string_view::npos && end - begin > short_plan;
    auto value = plan ? nlohmann::json::parse(line.substr(begin, end - begin + 1), nullptr, false) : nlohmann::json{};
    if (value.is_string()) {
      const auto stand_in = fmt::format("@{}", parted.plans.size());
      parted.text += fmt::format("{}\"{}\"{}\n", line.substr(0, begin), stand_in, line.substr(end + 1));
      parted.plans.emplace(stand_in, std::move(value.get_ref<std::string&>()));
    } else {
      parted.text.append(line) += '\n';
    }
  }
  return parted;
}

// Reads a table; what is wrong is noted in the file.
class TableReader {
 public:
  TableReader(const ConfigFile& file, std::string filename, const std::map<std::string, std::string>& plans)
      : root_(file.root()), filename_(std::move(filename)), plans_(plans) {}

  std::optional<TunedTable> read() {
    // Of another version nothing else is known.
    const auto its = root_["p2plab_tuned"].present() ? root_["p2plab_tuned"].integer({}, tuned_file::version) : tuned_file::version;
    if (its < 1 || its > tuned_file::version)
      return root_["p2plab_tuned"].add_error(fmt::format("only versions 1 to {} of tuned files are known", tuned_file::version)), std::nullopt;
    if (!root_.expect_keys(
            {.required = {"p2plab_tuned", "collective", "ranks", "machine", "fingerprint", "dtype", "op", "in_place", "profile", "bands"},
             .optional = {"proof", "sizes", "measured_on", "rows"}})) {
      return std::nullopt;
    }
    const auto dtype = root_["dtype"].as(data_type, DataType::float32);
    const auto op = root_["op"].as(reduce_op, ReduceOp::sum);
    const auto in_place = root_["in_place"].boolean();
    const auto profile = root_["profile"].string();
    const auto proof = root_["proof"].present() ? root_["proof"].string() : std::string{};
    const auto measured = root_["measured_on"].present() ? read_measured(root_["measured_on"]) : std::nullopt;
    std::vector<TunedBand> bands;
    std::int64_t sizes = 0;
    for (const auto& element : root_["bands"].list(1)) {
      if (auto band = read_band(element, in_place)) {
        sizes += static_cast<std::int64_t>(band->sizes.size());
        bands.push_back(*std::move(band));
      }
    }
    if (bands.empty() || root_.mistakes() > 0) return std::nullopt;
    const bool counted = its > 1 || root_["sizes"].present();  // the first version did not tell
    if (counted && root_["sizes"].integer() != sizes) root_["sizes"].add_error(fmt::format("there are {} sizes: the file is not whole", sizes));
    check_machine(bands.front());
    auto rows = root_["rows"].present() ? root_["rows"].string() : std::string{};
    return TunedTable{*topology_, dtype, op, in_place, profile, proof, std::move(bands), measured, order_.value_or(""), std::move(rows)};
  }

 private:
  void check_machine(const TunedBand& band) {
    const auto& collective = band.plan.schedule.collective();
    if (root_["collective"].string() != to_string(collective.kind)) {
      root_["collective"].add_error(fmt::format("the plans are for {}", to_string(collective.kind)));
    }
    if (root_["ranks"].integer() != static_cast<std::int64_t>(collective.members.size())) {
      root_["ranks"].add_error(fmt::format("the plans are for {} ranks", collective.members.size()));
    }
    if (root_["fingerprint"].string() != topology_->fingerprint()) root_["fingerprint"].add_error("the plans are for another machine");
  }

  static std::optional<MeasuredOn> read_measured(const ConfigValue& value) {
    if (!value.expect_keys({.required = {"executor", "gpus", "p2plab", "date", "notes"}, .optional = {"driver"}})) return std::nullopt;
    MeasuredOn on{.executor = value["executor"].string(),
                  .driver = value["driver"].present() ? value["driver"].string() : std::string{},
                  .version = value["p2plab"].string(),
                  .date = value["date"].string()};
    for (const auto& gpu : value["gpus"].list()) on.gpus.push_back(gpu.string());
    for (const auto& note : value["notes"].list()) on.notes.push_back(note.string());
    return on;
  }

  static void read_measured(const ConfigValue& value, TunedSize& size) {
    MeasuredSize measured{.time = value["measured"].time(),
                          .regret = value["regret"].number({.least = 0}),
                          .plans = static_cast<int>(value["timed"].integer({.least = 1, .most = 1 << 20}))};
    if (value["nccl"].present()) measured.nccl = value["nccl"].time();
    size.measured = measured;
    if (const auto use = value["use"].string(); use != (size.by_nccl() ? "nccl" : "p2plab"))
      value["use"].add_error("by the times it would be the other: nccl where ours takes over 3 % longer, else p2plab");
  }

  static void read_rows(const ConfigValue& value, TunedSize& size) {
    size.rows = {value["rows_timed"].integer({.least = 1, .most = std::int64_t{1} << 40}), value["rows_fused"].time(), value["rows_apart"].time()};
    if (size.rows_apart != size.rows->are_better_apart())
      value["rows"].add_error("by the times it would be the other: apart where that is over 1 % faster, else fused");
  }

  std::optional<TunedBand> read_band(const ConfigValue& value, bool in_place) {
    if (!value.expect_keys({.required = {"from", "to", "algorithm", "sizes", "plan"}, .optional = {"parameters", "reason"}})) return std::nullopt;
    AlgorithmChoice algorithm{value["algorithm"].string()};
    if (value["parameters"].present()) {
      for (const auto& [name, text] : value["parameters"].entries()) algorithm.parameters[name] = text.string();
    }
    auto reason = value["reason"].present() ? value["reason"].string() : std::string{};
    auto sizes = read_sizes(value["sizes"]);
    if (!sizes.empty() && value["from"].size() != sizes.front().size)
      value["from"].add_error(fmt::format("the first size is {}", to_string(sizes.front().size)));
    if (!sizes.empty() && value["to"].size() != sizes.back().size)
      value["to"].add_error(fmt::format("the last size is {}", to_string(sizes.back().size)));
    auto plan = read_band_plan(value["plan"], in_place);
    if (!plan || sizes.empty()) return std::nullopt;
    return TunedBand{std::move(algorithm), *std::move(plan), std::move(reason), std::move(sizes)};
  }

  std::vector<TunedSize> read_sizes(const ConfigValue& list) {
    std::vector<TunedSize> sizes;
    for (const auto& value : list.list(1)) {
      const auto* const blocks = value["parts"].present() ? "parts" : "blocks_per_lane";  // the former was its name in version 0.1
      if (!value.expect_keys({.required = {"size", blocks, "slice", "protocol", "predicted", "weighed", "left_out"},
                              .optional = {"slices", "lane_per_step", "bound", "runner_up", "runner_up_time", "measured", "nccl", "regret", "timed",
                                           "use", "rows", "rows_timed", "rows_fused", "rows_apart"}})) {
        continue;
      }
      TunedSize size{.size = value["size"].size()};
      size.tuning = {.blocks_per_lane = static_cast<int>(value[blocks].integer({.least = 1, .most = Tuning::most_blocks_per_lane}, 1)),
                     .slice = value["slice"].size(),
                     .protocol = value["protocol"].as(protocol, Protocol::simple)};
      if (const auto slices = value["slices"]; slices.present()) {
        size.tuning.slices = static_cast<int>(slices.integer({.least = 1, .most = Tuning::most_slices}, 1));
        if (size.tuning.slice.count() > 0) slices.add_error("'slice' (bytes) and 'slices' (their number) exclude each other");
      }
      if (value["lane_per_step"].present()) size.tuning.lane_per_step = value["lane_per_step"].boolean();
      size.predicted = value["predicted"].time();
      if (value["bound"].present()) size.bound = value["bound"].time();
      if (value["runner_up"].present()) size.runner_up = value["runner_up"].string();
      if (value["runner_up_time"].present()) size.runner_up_time = value["runner_up_time"].time();
      if (value["measured"].present()) read_measured(value, size);
      if (const auto rows = value["rows"]; rows.present()) {
        size.rows_apart = rows.string() == "apart";
        if (!size.rows_apart && rows.string() != "fused") rows.add_error("rows of an epilogue are 'fused' or 'apart'");
      }
      if (value["rows_timed"].present()) read_rows(value, size);
      size.weighed = static_cast<int>(value["weighed"].integer({.least = 0, .most = 1 << 20}));
      size.left_out = static_cast<int>(value["left_out"].integer({.least = 0, .most = 1 << 20}));
      if (last_ && size.size <= *last_) value["size"].add_error(fmt::format("sizes must rise; this one follows {}", to_string(*last_)));
      last_ = size.size;
      sizes.push_back(std::move(size));
    }
    return sizes;
  }

  // The plan, proved on its machine; all bands have one machine and one collective.
  std::optional<Plan> read_band_plan(const ConfigValue& value, bool in_place) {
    const auto text = value.string();
    if (text.empty()) return std::nullopt;
    const auto aside = plans_.find(text);
    auto file = read_plan(aside == plans_.end() ? text : aside->second, filename_ + ": plan");
    if (!file) return value.add_error(Error{ErrorCode::invalid_input, "this is no plan: " + file.error().message}), std::nullopt;
    if (topology_ && !same_machine(*topology_, file->topology))
      return value.add_error("this plan is for another machine than the first"), std::nullopt;
    if (kind_ && *kind_ != file->plan.schedule.collective().kind)
      return value.add_error("this plan is for another collective than the first"), std::nullopt;
    kind_ = file->plan.schedule.collective().kind;
    topology_ = file->topology;
    auto proof = verify(file->topology, file->plan.schedule, {.in_place = in_place});
    if (!proof) return value.add_error(Error{ErrorCode::verification_failed, "this plan is wrong: " + proof.error().message}), std::nullopt;
    if (order_ && *order_ != file->order) return value.add_error("this plan promises another order of sums than the first"), std::nullopt;
    if (auto kept = keeps_order(file->plan.schedule, in_place, file->order); !kept) return value.add_error(std::move(kept).error()), std::nullopt;
    order_ = file->order;
    return std::move(file->plan);
  }

  ConfigValue root_;
  std::string filename_;
  const std::map<std::string, std::string>& plans_;
  std::optional<Topology> topology_;
  std::optional<CollectiveKind> kind_;
  std::optional<std::string> order_;  // the same of all plans
  std::optional<Bytes> last_;
};

}  // namespace

Result<TunedTable> read_tuned(std::string_view text, const std::string& filename) {
  const auto parted = without_plans(text);
  auto file = ConfigFile::parse(parted.text, filename);
  if (!file) return std::move(file).error();
  auto table = TableReader(*file, filename, parted.plans).read();
  if (auto good = file->status(); !good) return std::move(good).error();
  expects(table.has_value());  // what is missing has been noted
  return *std::move(table);
}

Result<TunedTable> load_tuned(const std::string& path) {
  auto text = read_text_file(path, Bytes{static_cast<std::int64_t>(tuned_file::longest)});
  if (!text) return std::move(text).error();
  return read_tuned(*text, path);
}

}  // namespace p2plab
