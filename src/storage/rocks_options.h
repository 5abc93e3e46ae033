// How RocksDB and each of its column families are set up, and why so.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/options.h>

#include <memory>

#include "storage/engine_options.h"

namespace gyre {

rocksdb::DBOptions MakeDbOptions(const EngineOptions& options, rocksdb::Env* env);
rocksdb::ColumnFamilyOptions MakeRowOptions(const EngineOptions& options,
                                            const std::shared_ptr<rocksdb::Cache>& cache);
rocksdb::ColumnFamilyOptions MakeHintOptions(const EngineOptions& options,
                                             const std::shared_ptr<rocksdb::Cache>& cache);
rocksdb::ColumnFamilyOptions MakeLeafOptions(const EngineOptions& options);
rocksdb::ColumnFamilyOptions MakeMetaOptions();

}  // namespace gyre
