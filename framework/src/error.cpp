#include "p2plab/error.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace p2plab {

std::string describe(const Error& error) {
  std::string text;
  if (error.where) {
    text += error.where->file;
    if (error.where->line > 0) text += fmt::format(":{}:{}", error.where->line, error.where->column);
    text += ": ";
  }
  text += fmt::format("error: {}\n", error.message);
  for (const auto& note : error.notes) text += fmt::format("note: {}\n", note);
  for (const auto& next : error.more) text += describe(next);
  return text;
}

int exit_code(const Error& error) {
  switch (error.code) {
    case ErrorCode::verification_failed: return 3;
    case ErrorCode::usage: return 2;
    default: return 1;
  }
}

namespace {

// Levenshtein distance, one row at a time.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates) {
  constexpr std::size_t longest_compared = 64;   // hostile input must not cost quadratic time
  if (name.size() > longest_compared) return {};
  std::string best;
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
