// SPDX-License-Identifier: Apache-2.0
// A rank's side of a job: its connection to the launcher.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "processes/message.h"

namespace p2plab::processes {

class SocketSession final : public Session {
 public:
  struct Place {
    int rank = 0;
    int ranks = 1;
    Seconds timeout{30};
    std::uint16_t version = protocol_version;
    std::string greeting = {};
    std::string server = "the launcher of this job";  // what is gone when nobody answers any more
    bool files_by_name = false;                       // the socket carries no open files: others open them by their names (tcp.h)
    Seconds silence{0};                               // how long the server may say nothing; 0: it was not started by others, and is seen to end
  };
  SocketSession(FileDescriptor socket, Place place);
  ~SocketSession() override;
  SocketSession(const SocketSession&) = delete;
  SocketSession& operator=(const SocketSession&) = delete;
  SocketSession(SocketSession&&) = delete;
  SocketSession& operator=(SocketSession&&) = delete;

  int rank() const override { return place_.rank; }
  int ranks() const override { return place_.ranks; }
  Result<std::vector<std::string>> all_gather(const std::string& mine) override;
  Result<std::vector<FileDescriptor>> share(int mine) override;
  std::string address() const override;
  Status state() const override;
  std::shared_ptr<void> on_loss(std::function<void()> listener) override;

  /// Gives up: the others hear why, and what waits here ends.
  void abandon(const std::string& why);
  /// The last word to the launcher.
  void farewell(const Status& outcome);

 private:
  using Parts = std::map<int, Message>;
  void listen();
  bool hears_in_time() const;
  void lose(Error why);
  void say(const Message& message);
  Message message(MessageKind kind) const;
  Result<Parts> exchange(Message mine);
  Result<std::vector<FileDescriptor>> share_by_name(int mine);

  FileDescriptor socket_;
  Place place_;
  std::uint32_t next_ = 0;
  std::mutex saying_;  // over TCP a message that is sent in parts must not be parted by another
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint32_t, Parts> arrived_;
  std::optional<Error> lost_;
  std::mutex calling_;  // held while listeners are called or changed
  std::map<int, std::function<void()>> listeners_;
  int next_listener_ = 0;
  std::thread reader_;
};

}  // namespace p2plab::processes
