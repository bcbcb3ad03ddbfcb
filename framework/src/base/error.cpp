// SPDX-License-Identifier: Apache-2.0
#include "p2plab/base/error.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace p2plab {

namespace {

// The line with a caret under the column, both indented by two. Long lines are cut around the column. Columns count characters, not bytes.
std::string with_caret(const SourceLocation& where) {
  constexpr std::size_t before = 80;
  constexpr std::size_t width = 120;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  std::vector<std::size_t> starts;  // of each character
  for (std::size_t i = 0; i < where.text.size(); ++i) {
    if (!continues(where.text[i])) starts.push_back(i);
  }
  starts.push_back(where.text.size());
  const auto column = std::min(static_cast<std::size_t>(std::max(where.column, 1)) - 1, starts.size() - 1);
  const auto first = column > before ? column - before : 0;
  const auto last = std::min(first + width, starts.size() - 1);
  std::string padding;
  for (auto i = first; i < column; ++i) padding += where.text[starts[i]] == '\t' ? '\t' : ' ';
  return fmt::format("  {}\n  {}^\n", where.text.substr(starts[first], starts[last] - starts[first]), padding);
}

}  // namespace

std::string describe(const Error& error) {
  std::string text;
  if (error.where) {
    text += error.where->file;
    if (error.where->line > 0) text += fmt::format(":{}:{}", error.where->line, error.where->column);
    text += ": ";
  }
  text += fmt::format("error: {}\n", error.message);
  if (error.where && !error.where->text.empty()) text += with_caret(*error.where);
  for (const auto& note : error.notes) text += fmt::format("note: {}\n", note);
  for (const auto& next : error.more) text += describe(next);
  return text;
}

int exit_code(const Error& error) {
  switch (error.code) {
    case ErrorCode::verification_failed: return 3;
    case ErrorCode::usage: return 2;
    case ErrorCode::interrupted: return 130;  // as shells say of what Ctrl-C ended
    default: return 1;
  }
}

namespace {

// Letters that are missing, added, changed or swapped with the next (optimal string alignment), one row at a time.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1);  // two rows up
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::swap(before, above);
    std::swap(above, row);
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      row[j + 1] = std::min({above[j] + (a[i] == b[j] ? 0 : 1), row[j] + 1, above[j + 1] + 1});
      if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j]) row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
    }
  }
  return row.back();
}

// The candidate that begins with the name, if one alone does: a name cut short.
std::string only_continuation(const std::string& name, const std::vector<std::string>& candidates) {
  constexpr std::size_t shortest = 3;
  if (name.size() < shortest) return {};
  const auto begins = [&](const std::string& candidate) { return candidate.starts_with(name); };
  return std::ranges::count_if(candidates, begins) == 1 ? *std::ranges::find_if(candidates, begins) : std::string{};
}

}  // namespace

std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates) {
  constexpr std::size_t longest_compared = 64;  // hostile input must not cost quadratic time
  if (name.size() > longest_compared) return {};
  std::string best = only_continuation(name, candidates);
  if (!best.empty()) return best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const auto distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

Error unknown_name(const std::string& kind, const std::string& name, const std::vector<std::string>& candidates) {
  Error error{ErrorCode::unknown_name, fmt::format("unknown {} '{}'", kind, name.substr(0, 80))};
  if (const auto near = nearest_name(name, candidates); !near.empty()) error.notes.push_back(fmt::format("did you mean '{}'?", near));
  error.notes.push_back(fmt::format("known: {}", fmt::join(candidates, ", ")));
  return error;
}

}  // namespace p2plab
