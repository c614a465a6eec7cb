"""Which fields of Greenflash's API are set, in each way in, by runs of everything that records."""
