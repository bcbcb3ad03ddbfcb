// SPDX-License-Identifier: Apache-2.0
#include "detect/interfaces.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "p2plab/detail/settings.h"

namespace p2plab::detect {

namespace {

constexpr std::array<std::string_view, 5> bridges{"docker", "br-", "virbr", "lxc", "cni"};

bool is_bridge(const InterfaceAddress& at) {
  return std::ranges::any_of(bridges, [&](std::string_view name) { return at.interface.starts_with(name); });
}

// The lower, the better.
int order_of(const InterfaceAddress& at) { return (at.loopback ? 4 : is_bridge(at) ? 2 : 0) + (at.six ? 1 : 0); }

}  // namespace

std::vector<InterfaceAddress> interface_addresses() {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> all{first, freeifaddrs};
  std::vector<InterfaceAddress> found;
  for (const auto* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_UP) == 0) continue;
    const auto family = each->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const bool six = family == AF_INET6;
    if (six && IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(each->ifa_addr)->sin6_addr)) continue;
    std::array<char, NI_MAXHOST> text{};
    const socklen_t size = six ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (getnameinfo(each->ifa_addr, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) continue;
    found.push_back({each->ifa_name, text.data(), (each->ifa_flags & IFF_LOOPBACK) != 0, six});
  }
  return found;
}

Result<std::string> choose_address(const std::vector<InterfaceAddress>& all, const std::string& wanted) {
  const InterfaceAddress* best = nullptr;
  for (const auto& at : all) {
    if (!wanted.empty() && at.interface != wanted && at.address != wanted) continue;
    if (best == nullptr || order_of(at) < order_of(*best)) best = &at;
  }
  if (best != nullptr) return best->address;
  if (wanted.empty()) return Error{ErrorCode::io, "this machine has no network interface that is up"};
  std::vector<std::string> there;
  for (const auto& at : all) there.push_back(fmt::format("{} ({})", at.interface, at.address));
  return Error{ErrorCode::invalid_input, fmt::format("P2PLAB_INTERFACE='{}' is no interface here; there are {}", wanted, fmt::join(there, ", "))};
}

Result<std::string> address_here() {
  const char* wanted = setting("P2PLAB_INTERFACE");
  return choose_address(interface_addresses(), wanted == nullptr ? "" : wanted);
}

}  // namespace p2plab::detect
