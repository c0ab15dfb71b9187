from rest_framework import pagination


class Numbered(pagination.PageNumberPagination):
    page_size = 10
    page_size_query_param = "page_size"


class Offset(pagination.LimitOffsetPagination):
    default_limit = 7


class Cursor(pagination.CursorPagination):
    ordering = "id"
    page_size = 9
