// SPDX-License-Identifier: Apache-2.0
// The tables of `rocm-smi --showtopo` and `amd-smi topology`: titles with "between two GPUs" or "TABLE:", a line of names, a line for each GPU.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "p2plab/detail/text.h"
#include "sources/texts/smi_matrix.h"

namespace p2plab {

namespace {

constexpr std::size_t most_gpus = 1024;

struct Cell {
  std::string text;
  std::size_t at = 0;
};

std::string lower(std::string_view text) {
  std::string result{text};
  for (auto& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return result;
}

struct Tables {
  std::vector<std::string> names;
  std::map<std::string, std::vector<std::string>> cells;  // by title: weight, hops, link type, numa bw, access; row by row
  std::map<int, std::string> numa;                        // by GPU
  int link_line = 0;
};

class RocmReader {
 public:
  RocmReader(std::string_view text, const std::string& filename) : text_(text), filename_(filename) {}

  Result<Tables> run() {
    while (next_ < text_.size()) {
      const auto start = next_;
      const auto line = next_line();
      const auto title = title_of(line);
      if (title.empty()) {
        read_numa(line);
        continue;
      }
      if (auto ok = read_table(title, start); !ok) return std::move(ok).error();
    }
    if (!tables_.cells.contains("link type")) {
      Error error{ErrorCode::invalid_input, "no table of link types: XGMI and PCIE between GPUs", SourceLocation{filename_}};
      error.notes.emplace_back("rocm-smi --showtopo and amd-smi topology write one");
      return error;
    }
    return std::move(tables_);
  }

 private:
  Error at(std::size_t byte, std::string message) const { return {ErrorCode::invalid_input, std::move(message), locate(text_, byte, filename_)}; }

  std::string_view next_line() {
    const auto end = std::min(text_.find('\n', next_), text_.size());
    const auto line = text_.substr(next_, end - next_);
    line_start_ = next_;
    next_ = end + 1;
    return line;
  }

  std::vector<Cell> words_of(std::string_view line) const {
    std::vector<Cell> words;
    for (std::size_t i = 0; i < line.size();) {
      const auto from = line.find_first_not_of(" \t\r", i);
      if (from == std::string_view::npos) break;
      i = std::min(line.find_first_of(" \t\r", from), line.size());
      words.push_back({std::string{line.substr(from, i - from)}, line_start_ + from});
    }
    return words;
  }

  // "" if the line is no title; "other" for tables that say nothing of ways.
  static std::string title_of(std::string_view line) {
    const auto text = lower(line);
    if (text.find("between two gpus") == std::string::npos && text.find("table:") == std::string::npos) return {};
    for (const auto* known : {"weight", "hops", "link type", "numa bw", "access"}) {
      if (text.find(known) != std::string::npos) return known;
    }
    return "other";
  }

  Status read_table(const std::string& title, std::size_t start) {
    std::vector<Cell> names;
    while (names.empty() && next_ < text_.size()) names = words_of(next_line());
    if (names.empty() || names.size() > most_gpus) return at(start, fmt::format("the table has no line of GPUs' names, or more than {}", most_gpus));
    std::vector<std::string> labels;
    for (const auto& name : names) labels.push_back(name.text);
    if (tables_.names.empty()) tables_.names = labels;
    if (labels != tables_.names) return at(names.front().at, "the tables of this file name different GPUs");
    if (title != "other" && tables_.cells.contains(title)) return at(start, fmt::format("a second table of {}: a file holds one machine", title));
    if (title == "link type") tables_.link_line = locate(text_, start, filename_).line;
    std::vector<std::string> cells;
    for (const auto& label : labels) {
      std::vector<Cell> row;
      while (row.empty() && next_ < text_.size()) row = words_of(next_line());
      if (row.empty()) return at(text_.size(), fmt::format("the row of {} is missing", quoted(std::string_view{label})));
      if (row.front().text != label)
        return at(row.front().at,
                  fmt::format("expected the row of {}, found {}", quoted(std::string_view{label}), quoted(std::string_view{row.front().text})));
      if (row.size() != labels.size() + 1)
        return at(row.front().at,
                  fmt::format("the row of {} has {} cells, {} expected", quoted(std::string_view{label}), row.size() - 1, labels.size()));
      for (std::size_t i = 1; i < row.size(); ++i) {
        if (auto ok = check_cell(title, row[i]); !ok) return ok;
        cells.push_back(row[i].text);
      }
    }
    tables_.cells[title] = std::move(cells);
    return {};
  }

  Status check_cell(const std::string& title, const Cell& word) const {
    constexpr std::array<std::string_view, 7> types{"XGMI", "PCIE", "0", "X", "SELF", "N/A", "UNKNOWN"};
    if (title != "link type" || std::ranges::find(types, word.text) != types.end()) return {};
    return at(word.at, fmt::format("unknown link type {}; known: XGMI, PCIE", quoted(std::string_view{word.text})));
  }

  // "GPU[0]  : (Topology) Numa Node: 0", in older versions "GPU 0".
  void read_numa(std::string_view line) {
    const auto place = line.find("Numa Node:");
    if (!line.starts_with("GPU") || place == std::string_view::npos) return;
    int gpu = -1;
    const auto digits = line.find_first_of("0123456789");
    std::from_chars(line.data() + std::min(digits, line.size()), line.data() + line.size(), gpu);
    const auto words = words_of(line.substr(place + 10));
    if (gpu >= 0 && !words.empty()) tables_.numa[gpu] = words.front().text;
  }

  std::string_view text_;
  const std::string& filename_;
  std::size_t next_ = 0;
  std::size_t line_start_ = 0;
  Tables tables_;
};

int number(const std::string& text, int fallback) {
  int value = fallback;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class RocmTree {
 public:
  RocmTree(const Tables& tables, const std::string& filename) : tables_(tables), filename_(filename), gpus_(tables.names.size()) {}

  Result<DeviceTree> run(const MachineAnswers& answers) {
    tree_.name = std::filesystem::path{filename_}.stem().string();
    if (tree_.name.empty() || first_binary_byte(tree_.name) < tree_.name.size()) tree_.name = "imported";
    tree_.source = fmt::format("{}:{}", filename_, tables_.link_line);
    std::size_t most = 0;
    for (std::size_t a = 0; a < gpus_; ++a) {
      std::size_t links = 0;
      for (std::size_t b = 0; b < gpus_; ++b) links += direct(a, b) > 0 ? 1 : 0;
      most = std::max(most, links);
    }
    const bool named = !answers.gpu.empty();
    const auto model = find_gpu_model(named ? answers.gpu : most > 4 ? "MI300X" : "MI210");
    if (!model) return model.error();
    const auto sourced = [&](Bandwidth rate, Bandwidth least, Bandwidth upper) {
      return named ? Sourced{rate, Origin::known, fmt::format("table of GPUs: {}", (*model)->title)}
                   : Sourced{rate, Origin::assumed, fmt::format("the text does not name the GPU, as of {}", (*model)->title), "gpu", least, upper};
    };
    if (named) tree_.model = *model;
    auto link_rate = sourced(GBps((*model)->link), GBps(46), GBps(76.8));
    if (const int told = told_rate(); told > 0 && !named) {
      link_rate = {GBps(told / 1000.0), Origin::read, fmt::format("{}, table of bandwidths", filename_)};
    } else if (told > 0 && std::abs(told / 1000.0 - (*model)->link) > 0.01 * (*model)->link) {
      tree_.warnings.push_back(
          fmt::format("the table of bandwidths says {:.4g} GB/s of an xGMI link, the table of GPUs {:.4g}, which counts (--machine nvlink={:.4g})",
                      told / 1000.0, (*model)->link, told / 1000.0));
    }
    const auto hosts = add_hosts();
    add_peers();
    for (std::size_t a = 0; a < gpus_; ++a) {
      Device gpu{.kind = DeviceKind::gpu,
                 .bus_id = fmt::format("gpu{}", a),
                 .host = hosts[a],
                 .pcie = sourced(pcie_rate(**model), *pcie_rate(8, 16), *pcie_rate(32, 16)),
                 .has_gpu_element = true,
                 .dev = static_cast<int>(a),
                 .rank = static_cast<int>(a),
                 .target_name = std::string{(*model)->target}};
      gpu.link_rate = link_rate;
      for (std::size_t b = 0; b < gpus_; ++b) {
        if (const auto count = direct(a, b); count > 0) gpu.fabric_links.push_back({fmt::format("gpu{}", b), "0x038000", count, true});
        tree_.words.push_back(a == b ? "X" : cell("link type", a, b));
      }
      tree_.devices.push_back(std::move(gpu));
    }
    return std::move(tree_);
  }

 private:
  std::string cell(const std::string& title, std::size_t a, std::size_t b) const {
    const auto found = tables_.cells.find(title);
    return found == tables_.cells.end() ? std::string{} : found->second[a * gpus_ + b];
  }

  // "ENABLED" or "True" where a GPU may reach another's memory.
  void add_peers() {
    tree_.peers_missing = "no table of 'rocm-smi --showtopoaccess' is given";
    if (!tables_.cells.contains("access")) return;
    tree_.peers_source = fmt::format("{}, table of access", filename_);
    for (std::size_t a = 0; a < gpus_; ++a) {
      for (std::size_t b = 0; b < gpus_; ++b) {
        const auto word = lower(cell("access", a, b));
        const bool refused = word == "disabled" || word == "false" || word == "no";
        tree_.peers.emplace_back(a == b || !refused ? "OK" : cell("access", a, b));
      }
    }
  }

  // What the bandwidth table says of one xGMI link, in MB/s; 0 if it says nothing, or nothing that is the same for all.
  int told_rate() const {
    int told = 0;
    for (std::size_t k = 0; k < gpus_ * gpus_; ++k) {
      if (direct(k / gpus_, k % gpus_) == 0) continue;
      const int low = number(cell("numa bw", k / gpus_, k % gpus_), 0);
      if (low <= 0 || (told > 0 && low != told)) return 0;
      told = low;
    }
    return told;
  }

  // The xGMI links that join two GPUs directly: those of the least weight. Their number is how often the least rate of the bandwidth table
  // ("50000-200000") goes into the most.
  int direct(std::size_t a, std::size_t b) const {
    if (a == b || cell("link type", a, b) != "XGMI") return 0;
    if (const int weight = number(cell("weight", a, b), 0); weight > 0) {
      int least = weight;
      for (std::size_t k = 0; k < gpus_ * gpus_; ++k) {
        const auto i = k / gpus_;
        const auto j = k % gpus_;
        if (i != j && cell("link type", i, j) == "XGMI") least = std::min(least, std::max(1, number(cell("weight", i, j), weight)));
      }
      if (weight > least) return 0;
    }
    const auto rates = cell("numa bw", a, b);
    const auto dash = rates.find('-');
    if (dash == std::string::npos) return 1;
    const int low = number(rates.substr(0, dash), 0);
    const int high = number(rates.substr(dash + 1), 0);
    return low > 0 && high >= low && high / low <= 16 ? high / low : 1;
  }

  // NUMA nodes by their numbers; a GPU that the text gives none is where the GPU is that xGMI joins it to, or the one before it.
  std::vector<int> add_hosts() {
    std::vector<int> numa(gpus_, -1);
    for (const auto& [gpu, text] : tables_.numa) {
      if (static_cast<std::size_t>(gpu) < gpus_) numa[static_cast<std::size_t>(gpu)] = number(text, -1);
    }
    for (std::size_t a = 0; a < gpus_; ++a) {
      for (std::size_t b = 0; b < gpus_ && numa[a] < 0; ++b) {
        if (cell("link type", a, b) == "XGMI") numa[a] = numa[b];
      }
      if (numa[a] < 0 && a > 0) numa[a] = numa[a - 1];
    }
    std::map<int, int> index;
    std::vector<int> hosts;
    for (const int node : numa) {
      const auto [found, is_new] = index.emplace(node, static_cast<int>(tree_.hosts.size()));
      if (is_new) tree_.hosts.push_back({.machine = "0", .numa = node});
      hosts.push_back(found->second);
    }
    return hosts;
  }

  const Tables& tables_;
  const std::string& filename_;
  std::size_t gpus_;
  DeviceTree tree_;
};

}  // namespace

Result<Imported> import_rocm(std::string_view text, const std::string& filename, const MachineAnswers& answers) {
  if (text.size() > std::size_t{4} << 20) return Error{ErrorCode::invalid_input, "the file is longer than 4 MiB", SourceLocation{filename}};
  const auto tables = RocmReader(text, filename).run();
  if (!tables) return tables.error();
  const auto tree = RocmTree(*tables, filename).run(answers);
  if (!tree) return tree.error();
  return build_machine(*tree, answers);
}

}  // namespace p2plab
