#pragma once

#include <cstdio>
#include <string>

namespace simulate {

// A line of JSON, field by field.
class json_line {
 public:
  explicit json_line(const std::string& table) { text("benchmark", "simulate").text("table", table); }

  json_line& text(const char* name, const std::string& value) { return raw(name, '"' + value + '"'); }
  json_line& number(const char* name, double value) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.6g", value);
    return raw(name, digits);
  }
  json_line& flag(const char* name, bool value) { return raw(name, value ? "true" : "false"); }

  void print() const {
    std::printf("{%s}\n", line_.c_str());
    std::fflush(stdout);
  }

 private:
  json_line& raw(const char* name, const std::string& value) {
    line_.append(line_.empty() ? "" : ", ").append("\"").append(name).append("\": ").append(value);
    return *this;
  }
  std::string line_;
};

}  // namespace simulate
