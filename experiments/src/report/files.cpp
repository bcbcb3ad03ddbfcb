// SPDX-License-Identifier: Apache-2.0
#include "p2plab/report/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "p2plab/base/file_descriptor.h"

namespace p2plab {

namespace {

namespace fs = std::filesystem;

Error no(const std::string& what, const std::string& path, int reason) {
  return Error{ErrorCode::io, fmt::format("cannot {}: {}", what, std::strerror(reason)), SourceLocation{path}};
}

Status write_all(int file, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const auto count = ::write(file, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return no("write this file", path, errno);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

// The file that a path means, links followed; one that is not there yet is what the path says.
fs::path target_of(const std::string& path) {
  std::error_code fault;
  auto real = fs::weakly_canonical(path, fault);
  return fault ? fs::path(path) : real;
}

// Is there something that renaming a file over it would destroy, such as a pipe, a device or a folder?
bool is_special(const fs::path& target) {
  struct stat status {};
  return ::stat(target.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

Status write_through(const std::string& path, std::string_view text) {
  const FileDescriptor file{::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC)};
  if (file.get() < 0) return no("write this file", path, errno);
  return write_all(file.get(), text, path);
}

// A new file in the folder of `target`; its name is put into `name`.
Result<FileDescriptor> file_beside(const fs::path& target, const std::string& path, std::string& name) {
  const auto folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  name = (folder / ("." + target.filename().string() + ".XXXXXX")).string();
  FileDescriptor file{::mkostemp(name.data(), O_CLOEXEC)};
  if (file.get() < 0) return no("write this file", path, errno);
  return file;
}

// What a file made by `open` would have, or what the old one has.
mode_t mode_for(const fs::path& target) {
  struct stat status {};
  if (::stat(target.c_str(), &status) == 0) return status.st_mode & 07777U;
  const auto hidden = ::umask(0);
  ::umask(hidden);
  return 0666U & ~hidden;
}

Status fill(int file, const fs::path& target, std::string_view text, const std::string& path) {
  if (auto written = write_all(file, text, path); !written) return written;
  if (::fchmod(file, mode_for(target)) != 0 || ::fsync(file) != 0) return no("write this file", path, errno);
  return {};
}

}  // namespace

Status write_whole(const std::string& path, std::string_view text) {
  const auto target = target_of(path);
  if (is_special(target)) return write_through(path, text);
  std::string name;
  auto file = file_beside(target, path, name);
  if (!file) return std::move(file).error();
  auto done = fill(file->get(), target, text, path);
  if (done && ::rename(name.c_str(), target.c_str()) != 0) done = no("write this file", path, errno);
  if (!done) ::unlink(name.c_str());
  return done;
}

Status can_write(const std::string& path) {
  const auto target = target_of(path);
  std::error_code fault;
  if (fs::is_directory(target, fault)) return no("write this file", path, EISDIR);
  if (is_special(target)) {
    if (::access(target.c_str(), W_OK) != 0) return no("write this file", path, errno);
    return {};
  }
  std::string name;
  auto file = file_beside(target, path, name);
  if (!file) return std::move(file).error();
  ::unlink(name.c_str());
  return {};
}

Status can_write_into(const std::string& directory) {
  std::error_code fault;
  fs::create_directories(directory, fault);
  if (fault) return Error{ErrorCode::io, fmt::format("cannot make this directory: {}", fault.message()), SourceLocation{directory}};
  auto able = can_write((fs::path(directory) / "report.json").string());
  if (!able) return Error{ErrorCode::io, "cannot make files in this directory", SourceLocation{directory}, {able.error().message}};
  return {};
}

}  // namespace p2plab
