"""Contract suites: what every implementation of a contract must do, as tests to subclass.

class TestApprovals(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context):
        return Approvals(plugin_context("approvals", settings=Settings()))
"""
