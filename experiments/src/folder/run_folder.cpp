// SPDX-License-Identifier: Apache-2.0
#include "folder/run_folder.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "folder/cell_file.h"
#include "folder/inputs.h"
#include "p2plab/detail/digest.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/version.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/report/files.h"
#include "p2plab/report/provenance.h"

namespace p2plab {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr Bytes longest_cell{std::int64_t{1} << 31};
constexpr Bytes longest_mark{1 << 20};

Error no(const std::string& what, const std::string& path) {
  return Error{ErrorCode::io, fmt::format("cannot {}: {}", what, std::strerror(errno)), SourceLocation{path}};
}

Result<FileDescriptor> opened(const std::string& path) {
  FileDescriptor file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)};
  if (file.get() < 0) return no("open this file", path);
  return file;
}

// A lock that ends with the process that holds it, however it ends; file systems of several servers (NFS) know it, too.
bool locked(const FileDescriptor& file, short kind, bool wait) {
  struct flock lock {};
  lock.l_type = kind;
  lock.l_whence = SEEK_SET;
  int done = -1;
  do done = ::fcntl(file.get(), wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
  while (done != 0 && errno == EINTR);
  return done == 0;
}

std::string text_in(const std::string& path) {
  auto text = read_text_file(path, longest_mark);
  return text ? *std::move(text) : std::string{};
}

std::vector<Attachment> machines_of(const Sweep& sweep) {
  std::vector<Attachment> machines;
  std::set<std::string> known;
  for (const auto& cell : sweep.cells) {
    auto text = write_topology(cell.experiment.topology);
    if (known.insert(text).second) machines.push_back({fmt::format("machines/{}.yaml", machines.size() + 1), std::move(text)});
  }
  return machines;
}

// Cells are taken over only from a run that would give the same: of this program, config, files and machines.
std::string identity_of(const Inputs& inputs, const std::vector<Attachment>& machines, std::size_t cells) {
  Digest digest;
  digest.add(version());
  digest.add(static_cast<std::int64_t>(cells));
  for (const auto* files : {&inputs.files, &machines}) {
    for (const auto& file : *files) digest.add(file.text);
  }
  return "xxh3-128:" + to_string(digest.value());
}

// run.json: what was run, of what, by which program.
std::string description(const Inputs& inputs, const Sweep& sweep, const std::vector<Attachment>& machines, const std::string& identity) {
  const auto here = provenance_here();
  Json files = Json::array();
  for (std::size_t f = 0; f < inputs.files.size(); ++f) files.push_back({{"given", inputs.given[f]}, {"kept", "inputs/" + inputs.files[f].name}});
  Json machines_json = Json::array();
  for (const auto& machine : machines) machines_json.push_back(machine.name);
  Json profiles = Json::array();
  for (const auto& cell : sweep.cells) {
    if (const Json name = cell.experiment.profile.name; std::ranges::find(profiles, name) == profiles.end()) profiles.push_back(name);
  }
  const Json json{{"version", here.version},
                  {"command", here.command},
                  {"config", "inputs/" + inputs.config},
                  {"files", files},
                  {"machines", machines_json},
                  {"profiles", profiles},
                  {"cells", sweep.cells.size()},
                  {"cpu", here.cpu},
                  {"gpus", here.gpus},
                  {"driver", here.driver},
                  {"date", here.date},
                  {"identity", identity}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string variable(const char* name) {
  const auto* text = std::getenv(name);
  return text == nullptr ? std::string{} : std::string{text};
}

// What a run's folder holds from its beginning.
std::vector<Attachment> files_of(const Inputs& inputs, const Sweep& sweep, const std::vector<Attachment>& machines, const std::string& identity) {
  std::vector<Attachment> files{{"run.json", description(inputs, sweep, machines, identity)}};
  for (const auto& input : inputs.files) files.push_back({"inputs/" + input.name, input.text});
  files.insert(files.end(), machines.begin(), machines.end());
  return files;
}

}  // namespace

Sharing sharing_by_environment() {
  struct Starter {
    const char* ranks;
    const char* rank;
    std::vector<const char*> job;
  };
  const std::vector<Starter> starters{
      {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"}},
      // Only srun says how many tasks its step has; SLURM_NTASKS stands in the batch script, too, which is one process.
      {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", {"SLURM_JOB_ID", "SLURM_STEP_ID"}}};
  for (const auto& starter : starters) {
    const auto ranks = std::atoi(variable(starter.ranks).c_str());
    if (ranks < 2) continue;
    Sharing sharing{.shared = true, .rank = std::atoi(variable(starter.rank).c_str()), .ranks = ranks};
    for (const auto* name : starter.job) sharing.job += variable(name) + ".";
    return sharing;
  }
  return {};
}

Result<RunFolder> RunFolder::open(const Options& options, const Sweep& sweep, std::string_view text, const std::string& path) {
  auto inputs = inputs_of(text, path);
  if (!inputs) return std::move(inputs).error();
  RunFolder folder((fs::path(options.folder) / "run").string());
  if (auto able = can_write_into(folder.folder_); !able) return std::move(able).error();
  // One process at a time begins or joins.
  auto door = opened(folder.folder_ + "/lock");
  if (!door) return std::move(door).error();
  if (!locked(*door, F_WRLCK, true)) return no("lock this file", folder.folder_ + "/lock");
  auto owner = opened(folder.folder_ + "/owner");
  if (!owner) return std::move(owner).error();
  const Error busy{
      ErrorCode::io, "another run writes into this folder", SourceLocation{options.folder}, {"give --out another one, or wait for its end"}};
  const short usual = options.sharing.shared ? F_RDLCK : F_WRLCK;
  if (!locked(*owner, usual, false)) return busy;
  const auto machines = machines_of(sweep);
  const auto identity = identity_of(*inputs, machines, sweep.cells.size());
  const auto files = files_of(*inputs, sweep, machines, identity);
  const bool joins = options.sharing.shared && text_in(folder.folder_ + "/job") == options.sharing.job + identity;
  const bool same = text_in(folder.folder_ + "/identity") == identity && !folder.finished();
  if (!joins && (options.fresh || !same)) {
    if (!locked(*owner, F_WRLCK, false)) return busy;  // what is begun anew must be nobody else's
    if (auto begun = folder.begin(identity, files); !begun) return std::move(begun).error();
    if (!locked(*owner, usual, false)) return no("lock this file", folder.folder_ + "/owner");
  }
  folder.owner_ = *std::move(owner);
  folder.shared_ = options.sharing.shared;
  for (std::size_t c = 0; c < sweep.cells.size(); ++c) folder.prefixes_.push_back(attachment_prefix(sweep, c));
  if (auto named = write_whole(folder.folder_ + "/job", options.sharing.job + identity); !named) return std::move(named).error();
  if (auto readable = joins ? Status{} : folder.drop_unreadable(); !readable) return std::move(readable).error();
  for (std::size_t c = 0; c < sweep.cells.size(); ++c) folder.found_ += folder.kept(c) ? 1 : 0;
  return folder;
}

Status RunFolder::begin(const std::string& identity, const std::vector<Attachment>& files) {
  std::error_code fault;
  for (const char* old : {"cells", "inputs", "machines", "finished", "identity"}) fs::remove_all(folder_ + "/" + old, fault);
  fs::create_directories(folder_ + "/cells", fault);
  if (fault) return Error{ErrorCode::io, fmt::format("cannot make this directory: {}", fault.message()), SourceLocation{folder_ + "/cells"}};
  for (const auto& file : files) {
    const auto path = fs::path(folder_) / file.name;
    fs::create_directories(path.parent_path(), fault);
    if (auto written = write_whole(path.string(), file.text); !written) return written;
  }
  return write_whole(folder_ + "/identity", identity);
}

// A cell whose file is damaged is not finished. Whole ones are renamed into place, so nobody else is writing these.
Status RunFolder::drop_unreadable() const {
  for (std::size_t c = 0; c < prefixes_.size(); ++c) {
    const auto path = cell_file(c, "json");
    std::error_code fault;
    if (!fs::exists(path, fault)) continue;
    if (const auto text = read_text_file(path, longest_cell); text && from_cell_file(*text)) continue;
    fs::remove(path, fault);
    if (fault) return Error{ErrorCode::io, fmt::format("this cell cannot be read, nor removed: {}", fault.message()), SourceLocation{path}};
  }
  return {};
}

std::string RunFolder::cell_file(std::size_t cell, const char* kind) const { return fmt::format("{}/cells/{}.{}", folder_, cell + 1, kind); }

bool RunFolder::finished() const {
  std::error_code fault;
  return fs::exists(folder_ + "/finished", fault);
}

bool RunFolder::kept(std::size_t cell) {
  std::error_code fault;
  return unwritten_.contains(cell) || fs::exists(cell_file(cell, "json"), fault) || finished();
}

bool RunFolder::claim(std::size_t cell) {
  FileDescriptor file{::open(cell_file(cell, "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)};
  // Without the folder all is finished; whoever asks next is told so.
  if (file.get() < 0 || !locked(file, F_WRLCK, false) || kept(cell)) return false;
  claims_.insert_or_assign(cell, std::move(file));
  return true;
}

// Attachments, which may be large, go to where they belong at once.
Status RunFolder::write_cell(std::size_t cell, Report report) const {
  for (auto& file : report.attachments) file.name = prefixes_[cell] + file.name;
  if (auto written = write_files(report.attachments, fs::path(folder_).parent_path().string()); !written) return written;
  report.attachments.clear();
  return write_whole(cell_file(cell, report.interrupted ? "part" : "json"), to_cell_file(report));
}

Status RunFolder::keep(std::size_t cell, const Report& report) {
  auto written = write_cell(cell, report);
  claims_.erase(cell);
  if (written || shared_) return written;
  unwritten_.insert_or_assign(cell, report);  // a full disk loses no row: the table can still be printed
  return {};
}

std::optional<Report> RunFolder::take(std::size_t cell) {
  if (const auto found = unwritten_.find(cell); found != unwritten_.end()) return found->second;
  for (const char* kind : {"json", "part"}) {
    auto text = read_text_file(cell_file(cell, kind), longest_cell);
    if (!text) continue;
    if (auto report = from_cell_file(*text)) return report;
  }
  return std::nullopt;
}

bool RunFolder::writes_report() {
  auto file = opened(folder_ + "/report");
  if (!file || !locked(*file, F_WRLCK, true) || finished()) return false;
  report_ = *std::move(file);
  return true;
}

Status RunFolder::finish() {
  if (auto marked = write_whole(folder_ + "/finished", "the report is written\n"); !marked) return marked;
  std::error_code fault;  // what stays behind is only in the way
  fs::remove_all(folder_ + "/cells", fault);
  report_ = FileDescriptor{};
  return {};
}

std::optional<std::string> config_in(const std::string& folder) {
  const auto json = Json::parse(text_in(folder + "/run/run.json"), nullptr, false);
  if (!json.is_object() || !json.contains("config") || !json["config"].is_string()) return std::nullopt;
  return folder + "/run/" + json["config"].get<std::string>();
}

}  // namespace p2plab
