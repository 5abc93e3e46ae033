// A sync after a write that makes its file longer takes half as long again as one after a write
// into what is there, as the length must be written too. So the log is filled with zeros ahead of
// what it holds, and its length grows once in dozens of syncs. Measured: docs/adr/0005-storage.md.
//
// But then a write that a crash cut short does not end its file, where RocksDB would know it for
// what it is: it looks like damage. So before RocksDB reads the log, such a write is cut off.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace gyre {

// How far ahead. A write that takes more than a quarter of this is not prepared for.
inline constexpr std::size_t kLogAheadBytes = 256 << 10;

// `log`, filled ahead; closed, it ends where what it holds ends. REQUIRES of who writes it: each
// write is synced before the next one is appended. Where the disk is full, nothing is filled in.
std::unique_ptr<rocksdb::FSWritableFile> FillAhead(std::unique_ptr<rocksdb::FSWritableFile> log);

// Cuts the zeros off the end of the newest log in `folder` (a database that is not open), and a
// write before them which was never synced. That is one which
//   - no other write lies behind, as the next one is only appended when the last is synced; and
//   - has a hole: a sector of zeros, or its end. Where it is all there, and its checksum wrong, it
//     is damaged, and stays for RocksDB to refuse.
// Errors: kIoError. Cost: the log is read once.
Status CutTornTail(rocksdb::Env& env, const std::string& folder);

}  // namespace gyre
