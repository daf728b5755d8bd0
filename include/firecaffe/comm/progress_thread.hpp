#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace firecaffe {

// A thread that moves communication on while its owner computes. Owner and thread take turns under one mutex, in which
// the owner has precedence.
class progress_thread {
 public:
  // `move` moves what can be moved and says whether anything is left; while nothing is, the thread sleeps.
  template <class Move>
  explicit progress_thread(Move move) : thread_([this, move](std::stop_token stop) { run(stop, move); }) {}

  // Holds the thread off. Throws what it died of.
  std::unique_lock<std::mutex> hold() {
    owner_waits_.store(true, std::memory_order_relaxed);
    std::unique_lock lock(mutex_);
    owner_waits_.store(false, std::memory_order_relaxed);
    if (error_) std::rethrow_exception(error_);
    return lock;
  }

  // Something may be left to do. To be called while holding the thread off.
  void wake() {
    woken_ = true;
    awake_.notify_one();
  }

 private:
  template <class Move>
  void run(std::stop_token stop, Move move) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      bool left = false;
      try {
        left = move();
      } catch (...) {
        error_ = std::current_exception();
        return;
      }
      if (!left) {
        awake_.wait(lock, stop, [this] { return woken_; });
        woken_ = false;
        continue;
      }
      lock.unlock();
      do std::this_thread::yield();
      while (owner_waits_.load(std::memory_order_relaxed));
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any awake_;
  bool woken_ = false;
  std::atomic<bool> owner_waits_{false};
  std::exception_ptr error_;
  std::jthread thread_;  // ends before the rest does
};

}  // namespace firecaffe
