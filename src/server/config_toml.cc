#include "server/config_toml.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace gyre {
namespace {

constexpr int kDepthMax = 8;

std::string PlaceOf(const toml::source_region& source, const std::string& file_name) {
  return file_name + ":" + std::to_string(source.begin.line) + ":" +
         std::to_string(source.begin.column);
}

// Walks tables and arrays of tables; every leaf becomes one entry.
class Flattener {
 public:
  explicit Flattener(const std::string& file_name) : file_name_(file_name) {}

  Status Table(const toml::table& table, const std::string& prefix, int depth) {
    if (depth > kDepthMax) {
      return Fail(ErrorCode::kInvalidArgument, prefix + ": tables are nested too deeply");
    }
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      if (Status status = Node(node, name, PlaceOf(key.source(), file_name_), depth); !status) {
        return status;
      }
    }
    return {};
  }

  std::vector<TomlEntry> Take() { return std::move(entries_); }

 private:
  // keyspaces.NAME.n = {eu = 3, us = 2} is one setting: "eu=3,us=2".
  Status Copies(const toml::table& table, const std::string& name, std::string place) {
    std::string text;
    for (const auto& [region, node] : table) {
      const auto* copies = node.as_integer();
      if (copies == nullptr) {
        return Fail(ErrorCode::kInvalidArgument, PlaceOf(region.source(), file_name_) + ": " +
                                                     name + "." + std::string(region.str()) +
                                                     " must be a whole number");
      }
      text += (text.empty() ? "" : ",") + std::string(region.str()) + "=" +
              std::to_string(copies->get());
    }
    entries_.push_back({name, std::move(text), std::move(place)});
    return {};
  }

  Status Node(const toml::node& node, const std::string& name, std::string place, int depth) {
    if (const toml::table* table = node.as_table()) {
      const bool copies = depth == 2 && name.starts_with("keyspaces.") && name.ends_with(".n");
      if (copies) return Copies(*table, name, std::move(place));
      return Table(*table, name + ".", depth + 1);
    }
    if (const toml::array* array = node.as_array()) {
      for (std::size_t i = 0; i < array->size(); ++i) {
        const toml::table* element = (*array)[i].as_table();
        if (element == nullptr) {
          return Fail(ErrorCode::kInvalidArgument,
                      place + ": " + name + " must be a list of tables or a string");
        }
        const std::string prefix = name + "[" + std::to_string(i) + "].";
        if (Status status = Table(*element, prefix, depth + 1); !status) return status;
      }
      return {};
    }
    std::string text;
    if (const auto* s = node.as_string()) {
      text = s->get();
    } else if (const auto* integer = node.as_integer()) {
      text = std::to_string(integer->get());
    } else if (const auto* boolean = node.as_boolean()) {
      text = boolean->get() ? "true" : "false";
    } else {
      return Fail(ErrorCode::kInvalidArgument,
                  place + ": " + name + " must be a string or a whole number");
    }
    entries_.push_back({name, std::move(text), std::move(place)});
    return {};
  }

  const std::string& file_name_;
  std::vector<TomlEntry> entries_;
};

}  // namespace

Result<std::vector<TomlEntry>> FlattenToml(std::string_view text, const std::string& file_name) {
  const toml::parse_result parsed = toml::parse(text, file_name);
  if (!parsed) {
    return Fail(ErrorCode::kInvalidArgument, PlaceOf(parsed.error().source(), file_name) + ": " +
                                                 std::string(parsed.error().description()));
  }
  Flattener flattener(file_name);
  if (Status status = flattener.Table(parsed.table(), "", 0); !status) {
    return Fail(std::move(status.error()));
  }
  return flattener.Take();
}

}  // namespace gyre
