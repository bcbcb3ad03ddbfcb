// SPDX-License-Identifier: Apache-2.0
#include "support/host_gpu/streams.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace {

struct Work {
  void (*run)(void*);
  void (*drop)(void*);
  void* data;
};

struct Capture {
  unsigned long long number = 0;
  std::vector<Work> work = {};
  bool ended = false;
};

class Stream {
 public:
  Stream() : worker_([this] { work(); }) {}
  ~Stream() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    worker_.join();
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  Stream(Stream&&) = delete;
  Stream& operator=(Stream&&) = delete;

  void put(const Work& work) {
    const std::lock_guard lock(mutex_);
    if (captured()) return capture_->work.push_back(work);
    waiting_.push_back(work);
    changed_.notify_all();
  }
  void begin_capture() {
    static std::atomic<unsigned long long> captures{0};
    const std::lock_guard lock(mutex_);
    capture_ = std::make_shared<Capture>(Capture{.number = ++captures});
  }
  unsigned long long capture() {
    const std::lock_guard lock(mutex_);
    return captured() ? capture_->number : 0;
  }
  std::shared_ptr<Capture> shared_capture() {
    const std::lock_guard lock(mutex_);
    return captured() ? capture_ : nullptr;
  }
  void share(std::shared_ptr<Capture> capture) {
    const std::lock_guard lock(mutex_);
    capture_ = std::move(capture);
  }
  Capture* end_capture() {
    const std::lock_guard lock(mutex_);
    capture_->ended = true;
    return new Capture(std::move(*std::exchange(capture_, nullptr)));
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_.empty() && !busy_; });
  }

 private:
  bool captured() const { return capture_ != nullptr && !capture_->ended; }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ends_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const auto [run, drop, data] = waiting_.front();
      waiting_.pop_front();
      busy_ = true;
      lock.unlock();
      run(data);
      if (drop != nullptr) drop(data);
      lock.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> waiting_;
  std::shared_ptr<Capture> capture_;
  bool busy_ = false;
  bool ends_ = false;
  std::thread worker_;
};

struct All {
  std::mutex mutex;
  std::set<Stream*> streams;
};
All& all() {
  static auto* const made = new All;  // threads may outlast static objects
  return *made;
}

Stream* made() {
  auto* const stream = new Stream;
  const std::lock_guard lock(all().mutex);
  all().streams.insert(stream);
  return stream;
}

Stream& stream_of(void* handle) {
  static auto* const usual = made();
  return handle == nullptr ? *usual : *static_cast<Stream*>(handle);
}

int& current_device() {
  static int device = 0;
  return device;
}

}  // namespace

extern "C" {

void host_use_device(int device) { current_device() = device; }
int cuCtxGetDevice(int* device) { return *device = current_device(), 0; }
void* host_stream_create() { return made(); }
void host_stream_destroy(void* stream) {
  {
    const std::lock_guard lock(all().mutex);
    all().streams.erase(static_cast<Stream*>(stream));
  }
  delete static_cast<Stream*>(stream);
}
void host_stream_wait(void* stream) { stream_of(stream).wait(); }
void host_streams_wait() {
  const std::lock_guard lock(all().mutex);
  for (auto* const stream : all().streams) stream->wait();
}
void host_stream_put(void* stream, void (*run)(void*), void (*drop)(void*), void* data) { stream_of(stream).put({run, drop, data}); }
void host_capture_begin(void* stream) { stream_of(stream).begin_capture(); }
unsigned long long host_capture_of(void* stream) { return stream_of(stream).capture(); }
void* host_capture_end(void* stream) { return stream_of(stream).end_capture(); }
int host_capture_share(void* earlier, void* later) {
  auto capture = stream_of(earlier).shared_capture();
  if (capture == nullptr) return 0;
  stream_of(later).share(std::move(capture));
  return 1;
}
void host_graph_launch(void* graph, void* stream) {
  for (const auto& work : static_cast<Capture*>(graph)->work) stream_of(stream).put({work.run, nullptr, work.data});
}
void host_graph_destroy(void* graph) {
  const std::unique_ptr<Capture> ended(static_cast<Capture*>(graph));
  for (const auto& work : ended->work) {
    if (work.drop != nullptr) work.drop(work.data);
  }
}
}
