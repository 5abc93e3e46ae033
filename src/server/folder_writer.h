// Small files of the data folder (storage/layout_file.h), written durably one after another on a
// thread of its own, as a disk may take its time.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"
#include "net/reactor.h"

namespace gyre {

class FolderWriter {
 public:
  // `folder` empty: nothing outlives the process, and is as durable as anything at once. `reactor`
  // outlives this.
  FolderWriter(std::string folder, Reactor& reactor);
  ~FolderWriter();
  FolderWriter(const FolderWriter&) = delete;
  FolderWriter& operator=(const FolderWriter&) = delete;

  // Calls `done` in a later turn of the reactor, in the order of the calls; what waits when this is
  // destroyed is not written. Not bounded here: each caller bounds what it has under way.
  void Store(std::string name, std::string bytes, std::function<void(Status)> done);

 private:
  struct Wanted {
    std::string name;
    std::string bytes;
    std::function<void(Status)> done;
  };
  void Run();

  const std::string folder_;
  Reactor& reactor_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Wanted> wanted_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace gyre
