// Empties a block of a table file in its place. The one piece of Gyre that knows how a block lies
// in RocksDB's block-based format (which a later RocksDB must go on reading): `size` bytes, a byte
// that tells how they are compressed, and a checksum of both. Uncompressed, a block is its entries,
// then the offsets of some of them ("restart points", 4 bytes each), then how many these are (4).
//
// RocksDB knows blocks without entries, and passes over them as over any other: their restart
// points begin at the first byte. What is left of the size is filled by
//   - up to 64 KiB: a hash index, which has a byte for each bucket. All of them say "look for
//     yourself". This form goes by the block alone, whatever the options are.
//   - beyond: more restart points, if that comes out even; or LZ4, where the file has any
//   compression
//     at all. Else the block is left as it is.
// (A block with no restart points at all is accepted by RocksDB's iterators, but its Get then uses
// a pointer that nobody has set.)
//
// Why this may be done under RocksDB's hands: whoever reads the block verifies the checksum. So he
// finds the damage that was there, or a block half written, which is damage too, or an empty block.
// Nothing else of the file changes, nor does its size. A crash within leaves damage.
#pragma once

#include <rocksdb/env.h>

#include <cstddef>
#include <optional>
#include <string>

#include "storage/damaged_tables.h"

namespace gyre {

// `block` of the file `path` holds nothing from now on, durably.
// `may_be_lz4`: the file's properties name a compression. Errors: Corruption, NotSupported: the
// file is not one that this can be done to, and was left alone; IOError. REQUIRES: `block` is a
// block of it.
rocksdb::Status MaskBlock(rocksdb::Env& env, const std::string& path, const DamagedBlock& block,
                          bool may_be_lz4);

// What is written over a block, without the trailer.
struct EmptyBlock {
  std::string bytes;
  bool lz4 = false;
};
// nullopt: there is none of that size.
std::optional<EmptyBlock> EmptyBlockOf(std::size_t size, bool may_be_lz4);
inline constexpr std::size_t kEmptyBlockBytesMin = 11;
inline constexpr std::size_t kHashedBlockBytesMax = 64 << 10;

}  // namespace gyre
