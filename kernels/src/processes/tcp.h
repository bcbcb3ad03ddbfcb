// SPDX-License-Identifier: Apache-2.0
// Ranks that meet at a TCP address: what a Unix socket would do for them and TCP does not.
#pragma once

#include <string>

#include "p2plab/run/processes.h"
#include "processes/token.h"

namespace p2plab::processes {

struct TcpAddress {
  std::string host;
  int port = 0;

  /// "127.0.0.1:29500", "node3:29500", "[::1]:29500". Errors: invalid_input.
  static Result<TcpAddress> parse(const std::string& text);
  std::string text() const;
};

/// A socket that listens there. Errors: io, which says whether another listens there already, or this machine has no such address.
Result<FileDescriptor> listen_at(const TcpAddress& address);
/// The same at an address of this machine's, as number, and a port that the system chooses.
struct OpenPort {
  TcpAddress address;
  FileDescriptor listener;
};
Result<OpenPort> listen_at_any_port(const std::string& address);

/// One who connected, of whom nothing is known yet. An empty one if they are gone already.
FileDescriptor accept_at(int listener);
/// Tells one who has shown the token that they are taken in, or one who has not that they are not. False if they are gone.
bool welcome(int socket);
void refuse(int socket);
/// A connection to who listens there, was shown the token and has taken us in, trying until `timeout` has passed. Errors: device_failure.
Result<FileDescriptor> connect_to(const TcpAddress& address, const Token& token, Seconds timeout);

/// What another process of this machine opens an open file by, for as long as this one keeps it open.
std::string name_of_file(int file);
/// The same file. Errors: unsupported, if it cannot be reached, or what is reached is another one.
Result<FileDescriptor> open_file(const std::string& name);

}  // namespace p2plab::processes
