// SPDX-License-Identifier: Apache-2.0
// The texts of `nvidia-smi topo` to a matrix: escape sequences away, words between blanks and tabs, every cell checked.
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "p2plab/detail/named.h"
#include "p2plab/detail/text.h"
#include "sources/texts/smi_matrix.h"
#include "sources/texts/smi_words.h"

namespace p2plab {

namespace {

constexpr std::size_t most_matrix_devices = 1024;

// PSB and SOC are what older drivers write: a switch on the board of several GPUs, and the link between sockets.
constexpr std::array words{Named{"X", SmiPath::self},  Named{"PIX", SmiPath::pix},   Named{"PSB", SmiPath::pix}, Named{"PXB", SmiPath::pxb},
                           Named{"PHB", SmiPath::phb}, Named{"NODE", SmiPath::node}, Named{"SYS", SmiPath::sys}, Named{"SOC", SmiPath::sys}};
constexpr std::array<std::string_view, 7> peer_words{"OK", "CNS", "GNS", "TNS", "NS", "DR", "U"};

bool is_gpu(std::string_view word) {
  return word.size() > 3 && word.starts_with("GPU") && std::ranges::all_of(word.substr(3), [](char c) { return c >= '0' && c <= '9'; });
}

class SmiReader {
 public:
  SmiReader(std::string_view text, const std::string& filename) : text_(text), filename_(filename) {}

  Result<SmiMatrix> run() {
    matrix_.name = std::filesystem::path{filename_}.stem().string();
    if (matrix_.name.empty() || first_binary_byte(matrix_.name) < matrix_.name.size()) matrix_.name = "imported";
    while (const auto header = find_header()) {
      if (auto ok = read_columns(*header); !ok) return std::move(ok).error();
      const bool peers = is_peer_matrix();
      if (auto ok = peers ? read_peers(header->at) : read_links(header->at); !ok) return std::move(ok).error();
    }
    if (matrix_.cells.empty() && !matrix_.peers.empty()) return peers_alone();
    if (matrix_.cells.empty()) return no_matrix(filename_);
    if (!matrix_.peers.empty() && matrix_.peers.size() != matrix_.gpus * matrix_.gpus) {
      return Error{ErrorCode::invalid_input, "the matrix of topo -p2p has another number of GPUs than that of topo -m", SourceLocation{filename_}};
    }
    return std::move(matrix_);
  }

 private:
  Error at(std::size_t byte, std::string message) const { return {ErrorCode::invalid_input, std::move(message), locate(text_, byte, filename_)}; }

  std::vector<Word> next_line() {
    auto found = words_of(text_, next_);
    next_ = std::min(text_.find('\n', next_), text_.size() - 1) + 1;
    return found;
  }

  struct Header {
    std::vector<Word> words;
    std::size_t at = 0;
  };

  // The next line that starts with a GPU's name and another column: "GPU0 GPU1 ... CPU Affinity NUMA Affinity GPU NUMA ID".
  std::optional<Header> find_header() {
    while (next_ < text_.size()) {
      const auto start = next_;
      auto line = next_line();
      note_name(text_.substr(start, next_ - start), start);
      note_command(text_.substr(start, next_ - start));
      if (line.empty() || !is_gpu(line.front().text) || (line.size() > 1 && line[1].text == "X")) continue;
      return Header{std::move(line), start};
    }
    return std::nullopt;
  }

  // "GPU 0: NVIDIA L40S (UUID: ...)", as `nvidia-smi -L` writes it, tells what the matrix does not.
  void note_name(std::string_view line, std::size_t start) {
    const auto named = gpu_line(line);
    if (!named) return;
    if (!matrix_.gpu.empty() && matrix_.gpu != named->second) matrix_.several_models = true;
    matrix_.gpu = named->second;
    if (matrix_.names.size() < most_matrix_devices) matrix_.names.push_back(*named);
    matrix_.gpu_source = fmt::format("{}:{}", filename_, locate(text_, start, filename_).line);
  }

  Status read_columns(const Header& header) {
    columns_.clear();
    trailing_ = {};
    const auto& line = header.words;
    for (const auto& word : line) {
      if (word.text == "CPU" || word.text == "NUMA" || word.text == "GPU") break;
      if (columns_.size() == most_matrix_devices) return at(header.at, fmt::format("more than {} columns", most_matrix_devices));
      columns_.push_back(word.text);
    }
    for (std::size_t i = columns_.size(); i < line.size(); ++i) {
      const auto next = i + 1 < line.size() ? line[i + 1].text : std::string_view{};
      if (line[i].text == "CPU" && next == "Affinity") trailing_.emplace_back("cpus");
      if (line[i].text == "NUMA" && next != "ID") trailing_.emplace_back("numa");
      if (line[i].text == "NUMA" && next == "ID") trailing_.emplace_back("id");
    }
    gpus_ = static_cast<std::size_t>(std::ranges::find_if_not(columns_, is_gpu) - columns_.begin());
    if (std::any_of(columns_.begin() + static_cast<std::ptrdiff_t>(gpus_), columns_.end(), is_gpu))
      return at(header.at, "the columns of the GPUs must come first");
    return {};
  }

  // Does the first row after the header hold the words of `topo -p2p`?
  bool is_peer_matrix() {
    const auto before = next_;
    bool found = false;
    while (next_ < text_.size()) {
      const auto row = next_line();
      if (row.empty()) continue;
      found = std::ranges::any_of(row, [](const Word& word) { return std::ranges::find(peer_words, word.text) != peer_words.end(); });
      break;
    }
    next_ = before;
    return found;
  }

  // The next row, which must be that of column `index` and have all cells.
  Result<Header> next_row(std::size_t index) {
    while (next_ < text_.size()) {
      const auto start = next_;
      auto row = next_line();
      if (row.empty()) continue;
      if (row.front().text != columns_[index])
        return at(row.front().at, fmt::format("expected the row of {}, found {}", quoted(columns_[index]), quoted(row.front().text)));
      if (row.size() < columns_.size() + 1)
        return at(start, fmt::format("the row of {} has {} cells, {} expected", quoted(columns_[index]), row.size() - 1, columns_.size()));
      return Header{std::move(row), start};
    }
    return at(text_.size(), fmt::format("the row of {} is missing", quoted(columns_[index])));
  }

  Status read_links(std::size_t start) {
    if (!matrix_.cells.empty()) return at(start, "a second matrix of topo -m: a file holds one machine");
    matrix_.gpus = gpus_;
    matrix_.source = fmt::format("{}:{}", filename_, locate(text_, start, filename_).line);
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const auto row = next_row(i);
      if (!row) return row.error();
      if (auto ok = read_row(row->words); !ok) return ok;
    }
    return check_symmetry();
  }

  // Of several matrices of topo -p2p, the command lines above them tell which is which: reads and writes count, atomics and properties do not.
  Status read_peers(std::size_t start) {
    const bool more = !matrix_.peers.empty();
    const char kind = std::exchange(capability_, ' ');
    if (more && kind == ' ') {
      auto error = at(start, "a second matrix of topo -p2p, without its command line");
      error.notes.emplace_back("keep that of 'topo -p2p r', or the line '$ nvidia-smi topo -p2p w' above this one");
      return error;
    }
    std::vector<std::string> peers;
    if (auto ok = read_peer_rows(peers); !ok) return ok;
    if (kind == 'n' || kind == 'a' || kind == 'p') {
      matrix_.unused.push_back(fmt::format("{}:{}: the matrix of 'topo -p2p {}' says nothing of ways: passed over", filename_,
                                           locate(text_, start, filename_).line, kind));
      return {};
    }
    if (!more) {
      matrix_.peers = std::move(peers);
      matrix_.peers_source = fmt::format("{}:{}, topo -p2p", filename_, locate(text_, start, filename_).line);
      return {};
    }
    if (peers.size() != matrix_.peers.size()) return at(start, "the matrices of topo -p2p have different numbers of GPUs");
    for (std::size_t i = 0; i < peers.size(); ++i) {
      if (matrix_.peers[i] == "OK") matrix_.peers[i] = peers[i];
    }
    return {};
  }

  // "$ nvidia-smi topo -p2p w"
  void note_command(std::string_view line) {
    const auto place = line.find("-p2p ");
    if (place != std::string_view::npos && place + 5 < line.size()) capability_ = line[place + 5];
  }

  Status read_peer_rows(std::vector<std::string>& peers) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const auto row = next_row(i);
      if (!row) return row.error();
      for (std::size_t k = 1; k <= columns_.size(); ++k) {
        const auto& word = row->words[k];
        if ((word.text == "X") != (k - 1 == i)) return at(word.at, "X stands on the diagonal, and only there");
        if (word.text != "X" && std::ranges::find(peer_words, word.text) == peer_words.end())
          return at(word.at, fmt::format("unknown word {} in a matrix of topo -p2p; known: X, {}", quoted(word.text), fmt::join(peer_words, ", ")));
        peers.emplace_back(word.text);
      }
    }
    return {};
  }

  Error peers_alone() const {
    const bool none = std::ranges::find(matrix_.peers, "OK") == matrix_.peers.end();
    Error error{
        ErrorCode::invalid_input,
        fmt::format("this is only a matrix of 'nvidia-smi topo -p2p': it says which GPUs reach each other's memory (here: {}), not what joins them",
                    none ? "none" : "those with OK"),
        SourceLocation{filename_}};
    error.notes.emplace_back("put the text of 'nvidia-smi topo -m' into the same file, before it");
    return error;
  }

  Status read_row(const std::vector<Word>& row) {
    const auto index = matrix_.cells.size();
    const auto count = columns_.size();
    std::vector<SmiCell> cells;
    for (std::size_t i = 1; i <= count; ++i) {
      auto cell = read_cell(row[i]);
      if (!cell) return std::move(cell).error();
      if ((cell->path == SmiPath::self) != (i - 1 == index)) return at(row[i].at, "X stands on the diagonal, and only there");
      cell->word = row[i].text;
      cells.push_back(*std::move(cell));
    }
    matrix_.cells.push_back(std::move(cells));
    if (index >= matrix_.gpus) return {};
    // In a virtual machine the CPUs may be blank: then what follows them moves to the left.
    const bool no_cpus = row.size() - count - 1 < trailing_.size() && !trailing_.empty() && trailing_.front() == "cpus";
    const auto value_of = [&](std::string_view name) -> std::string {
      const auto place = static_cast<std::size_t>(std::ranges::find(trailing_, name) - trailing_.begin());
      if (place == trailing_.size() || (no_cpus && place == 0)) return {};
      const auto column = count + 1 + place - (no_cpus ? 1 : 0);
      return column < row.size() && row[column].text != "N/A" ? std::string{row[column].text} : std::string{};
    };
    matrix_.cpus.push_back(value_of("cpus"));
    matrix_.numa.push_back(value_of("numa"));
    return {};
  }

  Result<SmiCell> read_cell(const Word& word) const {
    if (word.text.starts_with("NV")) {
      int nvlinks = 0;
      const auto* last = word.text.data() + word.text.size();
      const auto [end, fault] = std::from_chars(word.text.data() + 2, last, nvlinks);
      if (fault == std::errc{} && end == last && nvlinks > 0 && nvlinks <= 1000) return SmiCell{SmiPath::nvlink, nvlinks, {}};
    }
    auto path = from_name<SmiPath>("connection", word.text, words);
    if (path) return SmiCell{*path, 0, {}};
    auto error = std::move(path).error();
    error.where = locate(text_, word.at, filename_);
    error.notes.back() += ", NV and a number of NVLinks";
    return error;
  }

  Status check_symmetry() const {
    for (std::size_t a = 0; a < columns_.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        const auto& x = matrix_.cells[a][b];
        const auto& y = matrix_.cells[b][a];
        if (x.path != y.path || x.nvlinks != y.nvlinks) {
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
  std::vector<std::string_view> trailing_;  // columns after the devices: cpus, numa, id
  std::size_t gpus_ = 0;
  char capability_ = ' ';  // of the next matrix of topo -p2p
  SmiMatrix matrix_;
};

}  // namespace

Result<SmiMatrix> read_smi(std::string_view text, const std::string& filename) { return SmiReader{text, filename}.run(); }

Error no_matrix(const std::string& file) {
  Error error{ErrorCode::invalid_input, "no line names the columns GPU0, GPU1, ...: this is no output of nvidia-smi topo -m", SourceLocation{file}};
  error.notes.emplace_back("nor does it begin as rocm-smi --showtopo, amd-smi topology or ibnetdiscover do, which are read, too");
  return error;
}

Result<Imported> import_smi(std::string_view text, const std::string& filename, const MachineAnswers& answers) {
  constexpr std::size_t longest = 4 << 20;
  if (text.size() > longest) return Error{ErrorCode::invalid_input, "the file is longer than 4 MiB", SourceLocation{filename}};
  auto matrix = read_smi(text, filename);
  if (!matrix) return std::move(matrix).error();
  return build_machine(*matrix, answers);
}

Result<Imported> load_smi(const std::string& path, const MachineAnswers& answers) {
  auto text = read_text_file(path, 4_MiB);
  if (!text) return std::move(text).error();
  return import_text(*text, path, answers);
}

}  // namespace p2plab
