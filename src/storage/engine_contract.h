// For this room's tests: the engines that what engine.h promises is held on.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "storage/storage_test_util.h"

namespace gyre {

struct EngineKind {
  const char* name;
  bool on_disk;
  Durability durability;
};

class EngineContractTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  std::unique_ptr<Engine> Open(std::uint16_t sessions = 1) {
    EngineOptions options = SmallOptions(folder_.path());
    options.session_count = sessions;
    options.durability = GetParam().durability;
    if (!GetParam().on_disk) return OpenMemoryEngine(options);
    auto engine = OpenRocksEngine(options);
    EXPECT_TRUE(engine.has_value()) << engine.error().message;
    return *std::move(engine);
  }

 private:
  TempFolder folder_;
};

inline constexpr EngineKind kEngineKinds[] = {{"Memory", false, Durability::kSync},
                                              {"RocksSync", true, Durability::kSync},
                                              {"RocksInterval", true, Durability::kInterval}};

}  // namespace gyre
