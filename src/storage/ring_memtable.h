// Where RocksDB keeps the rows that are in its log and in no table file yet: a skip list, as its
// own, for keys that begin with a keyspace and a token. Their first 16 bytes are kept as numbers in
// each node, so that a step of a search is one comparison of what it has just fetched. RocksDB's
// calls two virtual functions for it, and three times, as Debian's is built with its assertions: a
// row costs the commit thread a third of that here (docs/adr/0005).
//
// One thread inserts; any may read meanwhile, without lock. Nodes live as long as the memtable.
#pragma once

#include <rocksdb/memtablerep.h>

#include <memory>

namespace gyre {

// For a column family whose comparator is the bytewise one, without allow_concurrent_memtable_write
// and without memtable_insert_with_hint_prefix_extractor.
std::shared_ptr<rocksdb::MemTableRepFactory> MakeRingMemtableFactory();

}  // namespace gyre
