// SPDX-License-Identifier: Apache-2.0
// The text of `nvidia-smi topo -m` to a matrix: escape sequences away, words between blanks and tabs, every cell checked.
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "p2plab/detail/named.h"
#include "p2plab/detail/text.h"
#include "sources/smi_matrix.h"

namespace p2plab {

namespace {

constexpr std::size_t most_matrix_devices = 1024;

constexpr std::array words{Named{"X", SmiPath::self},  Named{"PIX", SmiPath::pix},   Named{"PXB", SmiPath::pxb},
                           Named{"PHB", SmiPath::phb}, Named{"NODE", SmiPath::node}, Named{"SYS", SmiPath::sys}};

// A word and the byte of the text where it starts.
struct Word {
  std::string_view text;
  std::size_t at = 0;
};

// The words of the line that starts at `start`. Escape sequences ("\x1b[4m") separate words like blanks.
std::vector<Word> words_of(std::string_view text, std::size_t start) {
  std::vector<Word> found;
  const auto end = std::min(text.find('\n', start), text.size());
  for (auto i = start; i < end;) {
    if (text[i] == '\x1b') {
      ++i;
      if (i < end && text[i] == '[') ++i;
      while (i < end && !((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z'))) ++i;
      i = std::min(i + 1, end);
      continue;
    }
    const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\x1b'; };
    if (is_blank(text[i])) {
      ++i;
      continue;
    }
    const auto from = i;
    while (i < end && !is_blank(text[i])) ++i;
    found.push_back({text.substr(from, i - from), from});
  }
  return found;
}

bool is_gpu(std::string_view word) {
  return word.size() > 3 && word.starts_with("GPU") && std::ranges::all_of(word.substr(3), [](char c) { return c >= '0' && c <= '9'; });
}

class SmiReader {
 public:
  SmiReader(std::string_view text, const std::string& filename) : text_(text), filename_(filename) {}

  Result<SmiMatrix> run() {
    matrix_.name = std::filesystem::path{filename_}.stem().string();
    if (matrix_.name.empty() || first_binary_byte(matrix_.name) < matrix_.name.size()) matrix_.name = "imported";
    if (auto ok = read_header(); !ok) return std::move(ok).error();
    while (matrix_.cells.size() < columns_.size()) {
      if (next_ >= text_.size()) return at(text_.size(), fmt::format("the row of {} is missing", quoted(columns_[matrix_.cells.size()])));
      const auto start = next_;
      const auto row = next_line();
      if (row.empty()) continue;
      if (auto ok = read_row(row, start); !ok) return std::move(ok).error();
    }
    if (auto ok = check_symmetry(); !ok) return std::move(ok).error();
    return std::move(matrix_);
  }

 private:
  Error at(std::size_t byte, std::string message) const { return {ErrorCode::invalid_input, std::move(message), locate(text_, byte, filename_)}; }

  std::vector<Word> next_line() {
    auto found = words_of(text_, next_);
    next_ = std::min(text_.find('\n', next_), text_.size() - 1) + 1;
    return found;
  }

  // The first line that starts with a GPU's name and another column: "GPU0 GPU1 ... CPU Affinity NUMA Affinity GPU NUMA ID".
  Status read_header() {
    while (next_ < text_.size()) {
      const auto start = next_;
      const auto line = next_line();
      if (line.empty() || !is_gpu(line.front().text) || (line.size() > 1 && line[1].text == "X")) continue;
      for (const auto& word : line) {
        if (word.text == "CPU" || word.text == "NUMA" || word.text == "GPU") break;
        if (columns_.size() == most_matrix_devices) return at(start, fmt::format("more than {} columns", most_matrix_devices));
        columns_.push_back(word.text);
      }
      for (std::size_t i = 0; i + 1 < line.size(); ++i) {
        has_cpus_ = has_cpus_ || (line[i].text == "CPU" && line[i + 1].text == "Affinity");
        has_numa_ = has_numa_ || (line[i].text == "NUMA" && line[i + 1].text == "Affinity");
      }
      matrix_.gpus = static_cast<std::size_t>(std::ranges::find_if_not(columns_, is_gpu) - columns_.begin());
      if (std::any_of(columns_.begin() + static_cast<std::ptrdiff_t>(matrix_.gpus), columns_.end(), is_gpu)) {
        return at(start, "the columns of the GPUs must come first");
      }
      return {};
    }
    Error error{ErrorCode::invalid_input, "no line names the columns GPU0, GPU1, ...: this is no output of nvidia-smi topo -m",
                SourceLocation{filename_}};
    return error;
  }

  Status read_row(const std::vector<Word>& row, std::size_t start) {
    const auto index = matrix_.cells.size();
    const auto count = columns_.size();
    if (row.front().text != columns_[index]) {
      return at(row.front().at, fmt::format("expected the row of {}, found {}", quoted(columns_[index]), quoted(row.front().text)));
    }
    if (row.size() < count + 1)
      return at(start, fmt::format("the row of {} has {} cells, {} expected", quoted(columns_[index]), row.size() - 1, count));
    std::vector<SmiCell> cells;
    for (std::size_t i = 1; i <= count; ++i) {
      auto cell = read_cell(row[i]);
      if (!cell) return std::move(cell).error();
      if ((cell->path == SmiPath::self) != (i - 1 == index)) return at(row[i].at, "X stands on the diagonal, and only there");
      cells.push_back(*cell);
    }
    matrix_.cells.push_back(std::move(cells));
    if (index >= matrix_.gpus) return {};
    const auto column = count + 1 + (has_cpus_ && has_numa_ ? 1 : 0);
    const bool known = (has_cpus_ || has_numa_) && column < row.size() && row[column].text != "N/A";
    matrix_.numa.emplace_back(known ? row[column].text : std::string_view{});
    return {};
  }

  Result<SmiCell> read_cell(const Word& word) const {
    if (word.text.starts_with("NV")) {
      int lanes = 0;
      const auto* last = word.text.data() + word.text.size();
      const auto [end, fault] = std::from_chars(word.text.data() + 2, last, lanes);
      if (fault == std::errc{} && end == last && lanes > 0 && lanes <= 1000) return SmiCell{SmiPath::nvlink, lanes};
    }
    auto path = from_name<SmiPath>("connection", word.text, words);
    if (path) return SmiCell{*path, 0};
    auto error = std::move(path).error();
    error.where = locate(text_, word.at, filename_);
    error.notes.back() += ", NV and a number of lanes";
    return error;
  }

  Status check_symmetry() const {
    for (std::size_t a = 0; a < columns_.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        const auto& x = matrix_.cells[a][b];
        const auto& y = matrix_.cells[b][a];
        if (x.path != y.path || x.lanes != y.lanes) {
          return Error{ErrorCode::invalid_input, fmt::format("{} to {} differs from {} to {}", columns_[a], columns_[b], columns_[b], columns_[a]),
                       SourceLocation{filename_}};
        }
      }
    }
    return {};
  }

  std::string_view text_;
  const std::string& filename_;
  std::size_t next_ = 0;
  std::vector<std::string_view> columns_;
  bool has_cpus_ = false;
  bool has_numa_ = false;
  SmiMatrix matrix_;
};

}  // namespace

Result<SmiMatrix> read_smi(std::string_view text, const std::string& filename) { return SmiReader{text, filename}.run(); }

Result<Imported> import_smi(std::string_view text, const std::string& filename, const SmiOptions& options) {
  constexpr std::size_t longest = 4 << 20;
  if (text.size() > longest) return Error{ErrorCode::invalid_input, "the file is longer than 4 MiB", SourceLocation{filename}};
  auto matrix = read_smi(text, filename);
  if (!matrix) return std::move(matrix).error();
  return build_machine(*matrix, options);
}

Result<Imported> load_smi(const std::string& path, const SmiOptions& options) {
  auto text = read_text_file(path, 4_MiB);
  if (!text) return std::move(text).error();
  return import_smi(*text, path, options);
}

}  // namespace p2plab
