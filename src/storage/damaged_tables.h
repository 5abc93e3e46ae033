// Which table files RocksDB found damaged, by reads, scans and compactions, until somebody looks at
// them (RocksDatabase::Salvage). Any thread.
//
// It is also RocksDB's listener: a compaction that meets a damaged block would end all writing for
// good. It is forgiven while the file waits to be looked at: RocksDB tries again a second later. It
// is not where nothing can be done for the file, or where the thread that would do it gets no turn,
// because it waits itself for that very compaction.
#pragma once

#include <rocksdb/listener.h>
#include <rocksdb/status.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace gyre {

// A block whose checksum does not fit, as RocksDB's message names it.
struct DamagedBlock {
  std::string file;  // name without folder: "000123.sst"
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  // without the trailer

  bool operator==(const DamagedBlock&) const = default;
};
// nullopt: the status says something else.
std::optional<DamagedBlock> DamagedBlockOf(const rocksdb::Status& status);

class DamagedTables final : public rocksdb::EventListener {
 public:
  // What RocksDB answered. True: the damaged file waits to be looked at. Not if it was for this
  // very block kLooksMax times: what a look does not find or mend would have the file read for
  // ever.
  bool Report(const rocksdb::Status& status);
  // From now on nothing waits: damaged files are left as they are. Before any other use.
  void LeaveAsTheyAre() { mends_ = false; }
  // Called when a file begins to wait, from any thread; must be cheap.
  void SetWake(std::function<void()> wake);

  bool any() const;
  // Takes the name of a file that waits.
  std::optional<std::string> Next();
  // Nothing can be done for this file. True: that is new.
  bool GiveUp(const std::string& file);
  // Called at each turn of the thread that looks at the files.
  void NoteTurn();

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;

  // So many failed compactions in a row, a second apart, without a turn of that thread.
  static constexpr int kForgivenMax = 30;
  // Once, and more for those who read the block before it was mended and say so behind that.
  static constexpr int kLooksMax = 4;

 private:
  bool mends_ = true;
  mutable std::mutex mutex_;
  using BlockName = std::pair<std::string, std::uint64_t>;  // file, offset

  std::set<BlockName> waiting_;
  std::map<BlockName, int> looks_;
  std::set<std::string> given_up_;
  int forgiven_ = 0;
  std::function<void()> wake_;
};

}  // namespace gyre
