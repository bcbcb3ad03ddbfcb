// SPDX-License-Identifier: Apache-2.0
// The cells of a matrix, one after another, in one report.
#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "answers/ratio.h"
#include "answers/spans.h"
#include "p2plab/base/quantity.h"
#include "p2plab/experiment/run.h"
#include "p2plab/experiment/sweep.h"
#include "report/duration_words.h"

namespace p2plab {

namespace {

void add_name(std::string& names, const std::string& name, std::set<std::string>& known) {
  if (name.empty() || !known.insert(name).second) return;
  names += (names.empty() ? "" : ", ") + name;
}

std::string text_of(const Skipped& skip) { return skip.what + ": " + skip.reason; }
std::string text_of(const std::string& sentence) { return sentence; }

void name_cell(const std::string& cell, Skipped& skip) { skip.what = fmt::format("{}: {}", cell, skip.what); }
void name_cell(const std::string& cell, std::string& sentence) { sentence = fmt::format("{}: {}", cell, sentence); }

// What all cells have in common stands once, what some have with their names. `count`: of all cells, of which some may not have run.
template <class Item>
std::vector<Item> merged(const std::vector<std::pair<std::string, std::vector<Item>>>& cells, std::size_t count) {
  std::map<std::string, std::set<std::string>> cells_with;
  for (const auto& [cell, items] : cells) {
    for (const auto& item : items) cells_with[text_of(item)].insert(cell);
  }
  std::vector<Item> all;
  std::set<std::string> said;
  for (const auto& [cell, items] : cells) {
    for (auto item : items) {
      const bool common = cells_with[text_of(item)].size() == count;
      if (common && !said.insert(text_of(item)).second) continue;
      name_cell(common ? "each cell" : cell, item);
      all.push_back(std::move(item));
    }
  }
  return all;
}

// The cells that are that of `first` but for one axis.
std::vector<std::size_t> along(const Sweep& sweep, std::size_t axis) {
  std::vector<std::size_t> cells;
  const auto& first = sweep.cells.front().axes;
  for (std::size_t c = 0; c < sweep.cells.size(); ++c) {
    bool same = true;
    for (std::size_t a = 0; a < first.size(); ++a) same = same && (a == axis || sweep.cells[c].axes[a] == first[a]);
    if (same) cells.push_back(c);
  }
  return cells;
}

// "all_reduce at 64 MiB: machine 4 GPUs 300.00 us (ring), machine 8 GPUs 345.00 us (ring)": at the largest size that all of these cells have.
std::string axis_sentence(const Sweep& sweep, const Report& report, std::size_t axis, CollectiveKind kind) {
  const auto cells = along(sweep, axis);
  std::vector<answers::BySize> best;
  std::map<Bytes, std::size_t> sizes;
  for (const auto c : cells) {
    best.push_back(
        answers::least_by_size(report.rows, kind, [&](const Row& row) { return answers::is_ours(row) && row.axes == sweep.cells[c].axes; }));
    for (const auto& [size, row] : best.back()) ++sizes[size];
  }
  const auto common = std::find_if(sizes.rbegin(), sizes.rend(), [&](const auto& each) { return each.second == cells.size(); });
  if (cells.size() < 2 || common == sizes.rend()) return {};
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto& row = *best[i].at(common->first);
    parts.push_back(fmt::format("{} {} ({})", sweep.cells[cells[i]].axes[axis].value, answers::time_text(row), answers::name_of(row)));
  }
  return fmt::format("{} at {}: best by {}: {}.", to_string(kind), to_string(common->first), sweep.cells.front().axes[axis].axis,
                     fmt::join(parts, ", "));
}

std::vector<std::string> axis_sentences(const Sweep& sweep, const Report& report) {
  std::vector<std::string> sentences;
  for (std::size_t axis = 0; axis < sweep.cells.front().axes.size(); ++axis) {
    for (const auto kind : answers::collectives_of(report.rows)) {
      auto sentence = axis_sentence(sweep, report, axis, kind);
      if (!sentence.empty()) sentences.push_back(std::move(sentence));
    }
  }
  return sentences;
}

// The provenance of all: what differs from cell to cell is listed.
Provenance provenance_of(const std::vector<Provenance>& cells) {
  auto all = cells.front();
  all.after = cells.back().after;
  std::set<std::string> machines{all.topology};
  std::set<std::string> profiles{all.profile};
  std::set<std::string> forms{all.forms};
  for (const auto& cell : cells) {
    add_name(all.topology, cell.topology, machines);
    add_name(all.profile, cell.profile, profiles);
    add_name(all.forms, cell.forms, forms);
    for (const auto& value : cell.assumed) {
      const auto same = [&](const SourcedValue& known) { return known.what == value.what && known.value == value.value; };
      if (std::ranges::none_of(all.assumed, same)) all.assumed.push_back(value);
    }
  }
  return all;
}

// Keeps cells in memory.
class MemoryKeeper final : public CellKeeper {
 public:
  bool kept(std::size_t cell) override { return cells_.contains(cell) && !cells_.at(cell).interrupted; }
  bool claim(std::size_t) override { return true; }
  Status keep(std::size_t cell, const Report& report) override { return cells_.insert_or_assign(cell, report), Status{}; }
  std::optional<Report> take(std::size_t cell) override {
    const auto found = cells_.find(cell);
    return found == cells_.end() ? std::nullopt : std::optional(std::move(found->second));
  }

 private:
  std::map<std::size_t, Report> cells_;
};

// "cell 3 of 40, about 2 min left: machine 4 GPUs"
std::string cell_words(const Sweep& sweep, std::size_t cell, std::size_t done, std::chrono::duration<double> took) {
  const auto left = sweep.cells.size() - cell;
  const auto time =
      done == 0 ? std::string{} : ", about " + duration_words(took.count() / static_cast<double>(done) * static_cast<double>(left)) + " left";
  const auto name = to_string(sweep.cells[cell].axes);
  return fmt::format("cell {} of {}{}{}{}", cell + 1, sweep.cells.size(), time, name.empty() ? "" : ": ", name);
}

// Adds what one cell found to the report of all.
struct Merging {
  Report report;
  std::vector<Provenance> provenances = {};
  std::vector<std::pair<std::string, std::vector<Skipped>>> skipped = {};
  std::vector<std::pair<std::string, std::vector<std::string>>> answers = {};
  std::vector<std::pair<std::string, std::vector<std::string>>> found = {};

  void add(const std::string& prefix, const Axes& axes, Report&& cell) {
    const auto name = to_string(axes);
    for (auto& row : cell.rows) {
      row.axes = axes;
      report.rows.push_back(std::move(row));
    }
    for (auto& file : cell.attachments) report.attachments.push_back({prefix + file.name, std::move(file.text)});
    for (auto& view : cell.views) report.views.push_back({axes, std::move(view.json)});
    report.interrupted = report.interrupted || cell.interrupted;
    provenances.push_back(std::move(cell.provenance));
    skipped.emplace_back(name, std::move(cell.skipped));
    const auto end = cell.findings.begin() + static_cast<std::ptrdiff_t>(std::min(cell.answers, cell.findings.size()));
    answers.emplace_back(name, std::vector(cell.findings.begin(), end));
    found.emplace_back(name, std::vector(end, cell.findings.end()));
  }
};

}  // namespace

// Letters, digits, points and dashes of the axes' values, after the cell's number.
std::string attachment_prefix(const Sweep& sweep, std::size_t cell) {
  const auto& axes = sweep.cells[cell].axes;
  if (axes.empty()) return {};
  auto prefix = fmt::format("{}_", cell + 1);
  for (const auto& each : axes) {
    for (const char c : each.value)
      prefix += (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ? c : '-';
    prefix += '_';
  }
  return prefix;
}

Status run_cells(const Sweep& sweep, CellKeeper& keeper, Progress& progress, const std::function<bool()>& stop, bool traces) {
  constexpr std::chrono::milliseconds between_looks{50};
  const auto begin = std::chrono::steady_clock::now();
  std::size_t done = 0;
  for (bool first = true, left = true; left;) {
    left = false;
    for (std::size_t c = 0; c < sweep.cells.size(); ++c) {
      if (keeper.kept(c)) continue;
      left = true;
      if (!first && stop && stop()) return {};
      if (!keeper.claim(c)) continue;
      if (sweep.cells.size() > 1) progress.note(cell_words(sweep, c, done, std::chrono::steady_clock::now() - begin));
      const auto cell = run(sweep.cells[c].experiment, progress, stop, traces);
      if (!cell) return cell.error();
      if (auto kept = keeper.keep(c, *cell); !kept) return kept;
      if (cell->interrupted) return {};
      ++done;
      first = false;
    }
    if (left && stop && stop()) return {};
    if (left) std::this_thread::sleep_for(between_looks);  // others are at it
  }
  return {};
}

Report report_of(const Sweep& sweep, CellKeeper& keeper) {
  if (sweep.cells.size() == 1 && sweep.cells.front().axes.empty()) {
    if (auto only = keeper.take(0)) return *std::move(only);
    return Report{.name = sweep.name, .interrupted = true};
  }
  Merging all{.report = {.name = sweep.name}};
  for (std::size_t c = 0; c < sweep.cells.size(); ++c) {
    const auto& axes = sweep.cells[c].axes;
    if (auto cell = keeper.take(c)) {
      all.add(attachment_prefix(sweep, c), axes, *std::move(cell));
      continue;
    }
    all.report.interrupted = true;
    all.skipped.push_back({to_string(axes), {{"the whole cell", "the run was interrupted before it"}}});
  }
  auto& report = all.report;
  report.provenance = all.provenances.empty() ? Provenance{} : provenance_of(all.provenances);
  report.skipped = merged(all.skipped, sweep.cells.size());
  // What is best along each axis says of all cells what `fastest` asks of one; any other question is answered first.
  const auto& questions = sweep.cells.front().experiment.questions;
  const bool fastest = questions.size() == 1 && questions.front().kind == QuestionKind::fastest;
  auto along_axes = axis_sentences(sweep, report);
  auto answers = merged(all.answers, sweep.cells.size());
  if (!fastest) std::swap(along_axes, answers);
  report.findings = std::move(along_axes);
  std::ranges::move(answers, std::back_inserter(report.findings));
  report.answers = report.findings.size();
  std::ranges::move(merged(all.found, sweep.cells.size()), std::back_inserter(report.findings));
  return std::move(report);
}

Result<Report> run(const Sweep& sweep, Progress& progress, const std::function<bool()>& stop, bool traces) {
  MemoryKeeper keeper;
  if (auto done = run_cells(sweep, keeper, progress, stop, traces); !done) return std::move(done).error();
  return report_of(sweep, keeper);
}

}  // namespace p2plab
