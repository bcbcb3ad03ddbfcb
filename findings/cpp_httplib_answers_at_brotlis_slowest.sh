#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cpp-httplib 0.11.4 (Debian libcpp-httplib-dev 0.11.4+ds-1+deb12u1): where a client accepts Brotli, as every browser does, the server compresses text with
# it before gzip, at the encoder's highest quality (11), and nothing sets another. A page's JSON of 1 MiB then takes 1.6 s where gzip takes
# a fiftieth; a trace of 25 MB takes 40 s and more. A server of live pages must set Content-Encoding itself, or send its data by a content provider.
# Seen: 1 MiB of text by br 1.61 s, by gzip 0.025 s, as it is 0.003 s. Fails if br takes less than ten times as long as gzip. Needs apt and g++.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
apt-get download -qq libcpp-httplib-dev=0.11.4+ds-1+deb12u1 libcpp-httplib0.11=0.11.4+ds-1+deb12u1 libbrotli-dev libbrotli1 libssl-dev libssl3 zlib1g-dev zlib1g >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done
multiarch=$(gcc -dumpmachine)
cat >serve.cpp <<'SOURCE'
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <httplib.h>
int main() {
  std::string text;
  unsigned state = 1;
  while (text.size() < (1U << 20)) text += "{\"rank\":" + std::to_string((state = state * 1664525U + 1013904223U) >> 20U) + "},";
  httplib::Server server;
  server.Get("/", [&](const httplib::Request&, httplib::Response& response) { response.set_content(text, "application/json"); });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&] { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::yield();
  for (const char* encoding : {"br", "gzip", "identity"}) {
    httplib::Client client("127.0.0.1", port);
    client.set_read_timeout(120);
    client.set_decompress(false);
    const auto begin = std::chrono::steady_clock::now();
    const auto got = client.Get("/", {{"Accept-Encoding", encoding}});
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const std::string coded = !got ? "failed" : got->has_header("Content-Encoding") ? got->get_header_value("Content-Encoding") : "none";
    std::printf("%s %s %zu %.4f\n", encoding, coded.c_str(), got ? got->body.size() : 0, took);
  }
  server.stop();
  thread.join();
}
SOURCE
g++ -O1 -std=c++17 -DCPPHTTPLIB_BROTLI_SUPPORT -DCPPHTTPLIB_ZLIB_SUPPORT serve.cpp -o serve -I root/usr/include -I "root/usr/include/$multiarch" -L "root/usr/lib/$multiarch" \
  -lcpp-httplib -lbrotlienc -lbrotlidec -lbrotlicommon -lz -lssl -lcrypto -lpthread 2>errors.txt || { cat errors.txt >&2; exit 1; }
LD_LIBRARY_PATH="$work/root/usr/lib/$multiarch" ./serve | tee seen.txt
awk '$1 == "br" && $2 == "br" { br = $4 } $1 == "gzip" && $2 == "gzip" { gzip = $4 } END { exit !(br > 10 * gzip && gzip > 0) }' seen.txt
