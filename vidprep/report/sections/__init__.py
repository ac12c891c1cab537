"""The parts of the report's page, one module a section."""
