// SPDX-License-Identifier: Apache-2.0
// Messages between the processes of a job, over a Unix socket that keeps their borders and carries open files, or over TCP, which does neither.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "p2plab/run/processes.h"

namespace p2plab::processes {

/// The protocol; ranks of another version are turned away.
inline constexpr std::uint16_t protocol_version = 4;

enum class MessageKind : std::uint16_t {
  hello,       // rank to launcher: I am here
  contribute,  // rank to launcher: my part of exchange `number`
  part,        // launcher to rank: the part of rank `rank` in exchange `number`
  lost,        // launcher to rank: rank `rank` is gone, the text says why
  farewell,    // rank to launcher: I have ended; the text holds my error, or is empty
  alive        // to and fro, where neither end could see that the other's process stands still; to rank -1: not to be answered
};

struct Message {
  MessageKind kind = MessageKind::hello;
  std::uint16_t version = protocol_version;
  std::int32_t rank = 0;
  std::uint32_t number = 0;
  std::string text = {};
  FileDescriptor file = {};
};

/// Bytes of a message's text.
inline constexpr std::size_t longest_text = 60 << 10;

/// Sends one message; false if the other end is gone.
bool send(int socket, const Message& message);
/// Several, one after another; over TCP all at once.
bool send(int socket, std::span<const Message* const> messages);
/// The same of one that may be left out: it is not sent where that would wait for the other end to read. False if the other end is gone.
bool send_if_room(int socket, const Message& message);
/// Waits for one message; none if the other end is gone or says what is no message.
std::optional<Message> receive(int socket);

/// An outcome as text and back: an empty text is success.
std::string outcome_text(const Status& status);
Status outcome_of(const std::string& text);

}  // namespace p2plab::processes
