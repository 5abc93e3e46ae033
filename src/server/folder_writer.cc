#include "server/folder_writer.h"

#include <utility>

#include "base/thread_name.h"
#include "storage/layout_file.h"

namespace gyre {

FolderWriter::FolderWriter(std::string folder, Reactor& reactor)
    : folder_(std::move(folder)), reactor_(reactor) {
  if (!folder_.empty()) thread_ = std::thread([this] { Run(); });
}

FolderWriter::~FolderWriter() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_one();
  thread_.join();
}

void FolderWriter::Store(std::string name, std::string bytes, std::function<void(Status)> done) {
  if (folder_.empty()) {
    return reactor_.Post([done = std::move(done)] { done({}); });
  }
  {
    const std::lock_guard lock(mutex_);
    wanted_.push_back({std::move(name), std::move(bytes), std::move(done)});
  }
  ready_.notify_one();
}

void FolderWriter::Run() {
  NameThisThread("gyre-folder");
  while (true) {
    Wanted next;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return stopping_ || !wanted_.empty(); });
      if (stopping_) return;
      next = std::move(wanted_.front());
      wanted_.pop_front();
    }
    const Status stored = LayoutFile(folder_, next.name).Store(next.bytes);
    reactor_.Post([done = std::move(next.done), stored] { done(stored); });
  }
}

}  // namespace gyre
