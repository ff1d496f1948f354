#pragma once

#define OTT_VERSION_MAJOR 0
#define OTT_VERSION_MINOR 1
#define OTT_VERSION_PATCH 0
#define OTT_VERSION "0.1.0"
