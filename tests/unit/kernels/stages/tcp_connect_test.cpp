// SPDX-License-Identifier: Apache-2.0
// Connections of two ranks: whoever does not show the word is shut out, and keeps nobody waiting.
#include "stages/tcp_connect.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <random>
#include <thread>

#include <gtest/gtest.h>

namespace p2plab::tcp_connect_test {
namespace {

using stages::Listener;

// One who connects to the port of a place, "127.0.0.1 PORT WORD", and says this.
FileDescriptor stranger(const std::string& place, const std::string& says) {
  FileDescriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto port = static_cast<std::uint16_t>(std::stoi(place.substr(place.find(' ') + 1)));
  const sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  EXPECT_EQ(connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  EXPECT_EQ(::send(socket.get(), says.data(), says.size(), MSG_NOSIGNAL), static_cast<ssize_t>(says.size()));
  return socket;
}

TEST(TcpConnections, AreThoseOfRanksThatShowTheWord) {
  auto listener = Listener::open("127.0.0.1");
  ASSERT_TRUE(listener);
  const auto place = listener->place();
  const auto word = place.substr(place.rfind(' ') + 1);
  std::mt19937 random(3);
  std::vector<FileDescriptor> kept;
  for (int i = 0; i < 300; ++i) {
    std::string says(random() % 50, 'x');
    if (i % 3 == 0) says.clear();
    if (i % 3 == 1) says = word.substr(0, random() % 32) + "x";
    kept.push_back(stranger(place, says));
    EXPECT_FALSE(listener->accept(0));
  }
  const auto begun = std::chrono::steady_clock::now();
  std::jthread rank([&] {
    auto socket = stages::connect_to(Rank{5}, Rank{2}, place, Seconds{5});
    ASSERT_TRUE(socket);
    kept.push_back(*std::move(socket));
  });
  std::optional<Listener::Caller> caller;
  while (!caller && std::chrono::steady_clock::now() - begun < std::chrono::seconds(5)) caller = listener->accept(20);
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->rank, Rank{5});
}

// Who shows the beginning of a word learns nothing from how it is answered: right or wrong, the connection stays.
TEST(TcpConnections, TellNobodyHowMuchOfTheWordIsRight) {
  auto listener = Listener::open("127.0.0.1");
  ASSERT_TRUE(listener);
  const auto place = listener->place();
  const auto word = place.substr(place.rfind(' ') + 1);
  const auto right = stranger(place, word.substr(0, 31));
  const auto wrong = stranger(place, "x");
  const auto whole = stranger(place, std::string(32, 'x'));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(listener->accept(5));
  char byte = 0;
  for (const auto* socket : {&right, &wrong}) EXPECT_EQ(recv(socket->get(), &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(recv(whole.get(), &byte, 1, 0), 0);
}

// A greeting that comes in two parts is one.
TEST(TcpConnections, AreTakenFromGreetingsInParts) {
  auto listener = Listener::open("127.0.0.1");
  ASSERT_TRUE(listener);
  const auto place = listener->place();
  const auto word = place.substr(place.rfind(' ') + 1);
  const auto slow = stranger(place, word.substr(0, 10));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(listener->accept(5));
  const auto rest = word.substr(10) + std::string("\7\0\0\0", 4);
  ASSERT_EQ(::send(slow.get(), rest.data(), rest.size(), MSG_NOSIGNAL), static_cast<ssize_t>(rest.size()));
  std::optional<Listener::Caller> caller;
  for (int i = 0; i < 100 && !caller; ++i) caller = listener->accept(20);
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->rank, Rank{7});
}

}  // namespace
}  // namespace p2plab::tcp_connect_test
