// RocksDB's own threads give way to those that clients wait for. On a core that both want, a flush
// that runs for its full slice whenever a loop or the commit thread wakes up holds up each round
// trip by milliseconds: one node pinned to a core, durability=sync, at half its peak, had a p99 of
// 28 to 97 ms while memtables were flushed, and has 5 to 18 ms with this. Not the lowest priority:
// under a load without end the flush must still keep up, or writes wait for it (at 10 they did, for
// up to 280 ms).
#pragma once

#include <rocksdb/listener.h>
#include <sys/resource.h>
#include <unistd.h>

namespace gyre {

// Added to the process's own.
inline constexpr int kBackgroundNice = 5;

// Lowers each thread of RocksDB's pools when it first flushes or compacts.
class BackgroundPriority final : public rocksdb::EventListener {
 public:
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { LowerThisThread(); }
  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
    LowerThisThread();
  }

 private:
  // To be refused it costs only latency.
  static void LowerThisThread() {
    thread_local const bool done = [] {
      const auto self = static_cast<id_t>(::gettid());
      return ::setpriority(PRIO_PROCESS, self, ::getpriority(PRIO_PROCESS, self) + kBackgroundNice);
    }() == 0;
    (void)done;
  }
};

}  // namespace gyre
